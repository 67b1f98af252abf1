"""The report in a browser: it opens without a network, says no error, and its controls do what they say."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from lensmill.files.atomic import write_text
from lensmill.report.pages import write_links
from lensmill.results.layout import RunFolder
from lensmill.results.store import read_certificate

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--virtual-time-budget=10000", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1800",
)  # fmt: skip
ASK = """<script>setTimeout(async () => {
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const named = (row) => row.querySelector("a:not([tabindex])").textContent;
  const rows = () => all("#lenses tbody tr, #lenses li").map(named);
  const search = async (text) => {
    find("#search").value = text; find("#search").dispatchEvent(new Event("input")); await wait(400); return rows();
  };
  const said = {};
  try { %s } catch (error) { said.error = String(error); }
  document.body.append(Object.assign(document.createElement("pre"), { id: "said", textContent: JSON.stringify(said) }));
}, 100);</script>"""
ANSWER = re.compile(r'<pre id="said">(.*?)</pre>', re.DOTALL)
COLOURS = "new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)"


@pytest.fixture
def look(chromium, fake, tmp_path):
    """Open a page of the report, let a script act on it and answer; the page must say nothing on the console."""

    def look(page, script, address="", flags=(), content=None, later=()):
        shutil.copytree(fake.run.root, tmp_path / "run", dirs_exist_ok=True)
        for name in later:
            write_text(tmp_path / "run" / "report" / name, "<!doctype html>")
            write_links(RunFolder(tmp_path / "run"))
        copy = tmp_path / "run" / page.relative_to(fake.run.root)
        copy.write_text((content or page.read_text()) + ASK % script)
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [chromium, *FLAGS, *flags, profile, "--dump-dom", copy.as_uri() + address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert "CONSOLE" not in done.stderr, done.stderr
        return json.loads(unescape(ANSWER.search(done.stdout)[1]))

    return look


def test_the_table_shows_every_lens_and_obeys(look, fake):
    said = look(
        fake.run.report,
        f"""
        said.all = rows();
        said.pictures = all("#lenses img").filter((img) => img.naturalWidth > 0).length;
        said.drawn = all(".plot canvas").map((canvas) => new Set({COLOURS}).size > 5);
        find("#statuses .certified").click(); said.certified = rows(); said.address = location.hash;
        find("#clear").click();
        find("#priors button").click(); said.prior = rows(); said.query = find("#search").value;
        find("#priors button").click(); said.unprior = rows();
        const header = 'th[data-name="theta_E"]';
        find(header + " button").click(); said.sorted = rows();
        find(header + " button").click(); said.reversed = rows();
        said.mark = find(header).getAttribute("aria-sort"); said.focus = document.activeElement.textContent;
        said.bad = await search("rhat_max>1.05");
        await search("nothing>1"); said.message = find("#message").textContent;
        said.word = await search("j07");
        find("#clear").click(); find("#view").click(); said.gallery = rows();
        document.activeElement.blur();
        document.body.dispatchEvent(new KeyboardEvent("keydown", {{ key: "/", bubbles: true }}));
        said.slash = document.activeElement.id;
        """,
    )
    assert "error" not in said, said
    assert said["all"] == fake.lens_ids
    assert said["pictures"] == 4
    assert said["drawn"] == [True] * 6
    assert said["certified"] == ["J0029-0055", "J2300+0022"]
    assert said["address"] == "#status=0"
    assert (said["prior"], said["query"]) == (["J0216-0813"], "prior_dominated>0")
    assert said["unprior"] == fake.lens_ids
    measured = ["J0029-0055", "J2300+0022", "J0216-0813"]  # by Einstein radius
    measured = sorted(measured, key=lambda i: read_certificate(fake.run.certificate(i)).parameters["theta_E"].median)
    assert said["sorted"][:3] == measured
    assert said["reversed"][:3] == measured[::-1]
    assert set(said["reversed"][3:]) == set(fake.lens_ids) - set(measured)
    assert said["mark"] == "descending"
    assert "θ" in said["focus"]
    assert said["bad"] == ["J0216-0813"]
    assert said["message"] == "no number is called nothing"
    assert said["word"] == ["J0737+3216"]
    assert said["gallery"] == said["reversed"]
    assert said["slash"] == "search"


def test_any_two_quantities_are_plotted_and_a_box_filters(look, fake):
    said = look(
        fake.run.report,
        """
        const [one, two] = all(".plot"), lists = [...two.querySelectorAll("select")];
        const before = one.querySelector("p").textContent;
        const list = one.querySelector("select"); list.value = "rhat_max"; list.dispatchEvent(new Event("change"));
        said.changed = one.querySelector("p").textContent !== before;
        said.offered = lists.map((list) => list.options.length);
        lists[0].value = "gamma"; lists[0].dispatchEvent(new Event("change"));
        lists[1].value = "chi2_reduced"; lists[1].dispatchEvent(new Event("change"));
        said.address = location.hash;
        const canvas = two.querySelector("canvas"), box = canvas.getBoundingClientRect();
        const event = (type, x, y) => new PointerEvent(type, { bubbles: true, clientX: box.left + x, clientY: box.top + y });
        const at = (type, x, y) => canvas.dispatchEvent(event(type, x, y));
        at("pointerdown", 47, 21); at("pointerup", box.width - 11, 195); at("click", 60, 60);
        said.query = find("#search").value; said.kept = rows();
        """,
    )
    assert "error" not in said, said
    assert said["changed"]
    assert said["offered"][0] == said["offered"][1] > 20
    assert said["address"] == "#show=rhat_max%2Cgamma%2Cchi2_reduced"
    assert re.fullmatch(r"gamma>=\S+ gamma<=\S+ chi2_reduced>=\S+ chi2_reduced<=\S+", said["query"])
    assert said["kept"] == ["J0029-0055", "J0216-0813", "J2300+0022"]  # all that were measured lie in the box


def test_pages_that_are_written_later_are_linked(look, fake):
    ask = "said.links = all('#pages a').map((link) => [link.textContent, link.getAttribute('href')]);"
    assert look(fake.run.report, ask)["links"] == []
    assert look(fake.run.report, ask, later=["population.html"])["links"] == [["Population", "population.html"]]
    both = look(fake.run.report, ask, later=["calibration.html"])["links"]
    assert both == [["Calibration", "calibration.html"], ["Population", "population.html"]]


def test_the_address_of_the_page_keeps_the_plots(look, fake):
    ask = (
        "said.shown = all('.plot').slice(0, 2).map((plot) => [...plot.querySelectorAll('select')].map((l) => l.value));"
    )
    said = look(fake.run.report, ask, "#show=chi2_reduced,q,shear")
    assert said["shown"] == [["chi2_reduced"], ["q", "shear"]]


def test_the_address_of_the_page_keeps_the_filter(look, fake):
    said = look(fake.run.report, "said.rows = rows();", "#status=1&q=gamma%3E0&sort=-theta_E")
    assert said["rows"] == ["J0216-0813"]


def test_the_report_fits_a_telephone(look, fake):
    frames = [page.relative_to(fake.run.root) for page in (fake.run.report, fake.run.page("J0216-0813"))]
    said = look(
        fake.run.root / "telephone.html",
        """
        await wait(1500);
        const [index, lens] = all("iframe").map((frame) => frame.contentDocument);
        said.wide = [index, lens].map(({ documentElement: page }) => page.scrollWidth > page.clientWidth);
        said.cards = [...index.querySelectorAll("#lenses li .heading a")].map((link) => link.textContent);
        """,
        flags=("--allow-file-access-from-files",),
        content="".join(f'<iframe src="{frame}" width="400" height="900"></iframe>' for frame in frames),
    )
    assert said == {"wide": [False, False], "cards": fake.lens_ids}


def test_a_lens_leads_to_the_next(look, fake):
    said = look(
        fake.run.page("J0216-0813"),
        """
        said.next = find("#next").getAttribute("href"); said.previous = find("#previous").getAttribute("href");
        const curve = find('[id$="-curves"]'); said.shown = getComputedStyle(curve).display;
        find("#curves").click(); said.hidden = getComputedStyle(curve).display;
        """,
    )
    assert said == {"next": "J0737%2B3216.html", "previous": "J0029-0055.html", "shown": "inline", "hidden": "none"}


def test_dark_mode_changes_the_page_and_its_figures(look, fake):
    ask = """said.page = getComputedStyle(document.body).backgroundColor;
    said.figure = getComputedStyle(find("figure svg text")).fill;"""
    page = fake.run.page("J0029-0055")
    day, night = look(page, ask), look(page, ask, flags=("--blink-settings=preferredColorScheme=0",))
    assert day["page"] == "rgb(247, 248, 248)"
    assert night["page"] == "rgb(16, 19, 23)"
    assert day["figure"] != night["figure"]
