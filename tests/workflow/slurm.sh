#!/usr/bin/env bash
# A real Slurm on this machine: slurmctld, two nodes (n1, n2) with two pretend GPUs each, and munge, all on loopback.
#   slurm.sh up FOLDER | slurm.sh down FOLDER
# Needs root and Debian's slurmctld, slurmd, slurm-client and munge; no systemd and no cgroups. Jobs of all nodes run here.
set -euo pipefail

command=${1:?up or down}
root=$(realpath -m "${2:?folder}")
host=$(hostname -s)
confs=(slurm.conf gres.conf cgroup.conf)
export SLURM_CONF=$root/slurm.conf

fail() { printf 'slurm.sh: %s\n' "$*" >&2; exit 1; }

wait_for() { # SECONDS COMMAND...
    local tries=$(($1 * 4)); shift
    for ((i = 0; i < tries; i++)); do "$@" >/dev/null 2>&1 && return; sleep 0.25; done
    fail "waited in vain for: $*"
}

configure() {
    cat >"$root/slurm.conf" <<CONF
ClusterName=lensmill
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$root/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=26817
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool/%n
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd.%n.pid
SlurmctldLogFile=$root/slurmctld.log
SlurmdLogFile=$root/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdTimeout=20
KillWait=5
MinJobAge=600
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
JobRequeue=1
GresTypes=gpu
NodeName=DEFAULT CPUs=4 RealMemory=64000 Gres=gpu:pretend:2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=26821
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=26822
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=24:00:00 State=UP
CONF
    echo "NodeName=n[1-2] Name=gpu Type=pretend File=$root/gpu[0-1]" >"$root/gres.conf"
    # Read even where no cgroup plugin is chosen; what it would find out by itself fails on mixed cgroup mounts.
    printf 'CgroupPlugin=cgroup/v1\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n' >"$root/cgroup.conf"
}

up() {
    [ "$(id -u)" = 0 ] || fail "needs root"
    getent ahostsv4 "$host" | grep -q '^127\.' || fail "$host must resolve to 127.x: add it to /etc/hosts"
    mkdir -p /etc/slurm "$root"/{state,munge,spool/n1,spool/n2}
    chmod 755 "$root" "$root/munge"
    for conf in "${confs[@]}"; do
        # The plugin's inner srun gets no SLURM_CONF, so the configuration must lie where Slurm looks for it.
        if [ -e "/etc/slurm/$conf" ] && [ ! -L "/etc/slurm/$conf" ]; then fail "/etc/slurm/$conf is there already"; fi
    done
    configure
    for conf in "${confs[@]}"; do ln -sfn "$root/$conf" "/etc/slurm/$conf"; done
    (umask 077 && head -c 1024 /dev/urandom >"$root/munge/key")
    chown -R munge:munge "$root/munge"
    runuser -u munge -- munged --force --key-file="$root/munge/key" --socket="$root/munge/socket" \
        --pid-file="$root/munge/pid" --log-file="$root/munge/log" --seed-file="$root/munge/seed"
    for i in 0 1; do [ -e "$root/gpu$i" ] || mknod "$root/gpu$i" c 1 3; done # like /dev/null: only looked at
    slurmctld -i
    wait_for 30 scontrol ping
    slurmd -N n1
    slurmd -N n2
    wait_for 30 sh -c 'test "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" = 2'
}

stop() { # PIDFILE NAME: only while the number is still that daemon's
    local pid
    [ -s "$1" ] || return 0
    pid=$(cat "$1")
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]; then
        kill "$pid"
        for ((i = 0; i < 60; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.25; done
    fi
    rm -f "$1"
}

down() {
    timeout 10 scancel --user root 2>/dev/null || true
    for ((i = 0; i < 60; i++)); do [ -n "$(timeout 10 squeue -h 2>/dev/null)" ] || break; sleep 0.25; done
    for node in n1 n2; do stop "$root/slurmd.$node.pid" slurmd; done
    stop "$root/slurmctld.pid" slurmctld
    stop "$root/munge/pid" munged
    for conf in "${confs[@]}"; do
        if [ "$(readlink "/etc/slurm/$conf")" = "$root/$conf" ]; then rm "/etc/slurm/$conf"; fi
    done
}

case $command in
    up) up ;;
    down) down ;;
    *) fail "up or down, not $command" ;;
esac
