"""Write docs/api.md from the docstrings and signatures of the public functions and classes.

python tools/api.py [--check]
"""

import argparse
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
# title: modules, each with its public names; none: all that its __all__ names, or else all without underscore
PUBLIC: dict[str, dict[str, tuple[str, ...]]] = {
    "Results": {
        "lensmill": (),
        "lensmill.results.run": ("Run", "Lens"),
        "lensmill.results.certificate": ("Certificate", "Check", "ParameterSummary"),
        "lensmill.status": (),
        "lensmill.export": ("export", "NotFitted"),
        "lensmill.results.comparison": ("measured", "compare", "described", "Comparison", "Apart"),
        "lensmill.population": (),
    },
    "Configuration": {"lensmill.config": ("load", "load_priors", "merged_priors", "dump", "ConfigError")},
    "Lensing": {
        "lensmill.physics.grid": (),
        "lensmill.physics.mass": (),
        "lensmill.physics.light": (),
        "lensmill.physics.source": (),
        "lensmill.physics.lensing": (),
        "lensmill.physics.cosmology": (),
        "lensmill.physics.imaging": ("LensSystem", "PSF", "Sampling", "render", "render_source", "render_lens_light"),
    },
    "Fitting": {
        "lensmill.fit.problem": ("ImageData", "SamplerSettings", "InverseProblem", "build_problem"),
        "lensmill.fit.search": ("Basin",),
        "lensmill.fit.maximum": ("Maximum", "NoMaximum", "find_maximum"),
        "lensmill.fit.texture": ("with_texture", "evidence_by_amplitude"),
        "lensmill.fit.chains": ("Block", "Tried", "named_draws"),
        "lensmill.fit.sampling": ("begin_sampling", "sample"),
        "lensmill.fit.ladder": ("climb",),
        "lensmill.model.likelihood": ("Observation", "observe", "whitened_residuals"),
        "lensmill.model.parameters": ("Family", "PriorTable", "tabulate_priors", "constrain", "unconstrain"),
        "lensmill.model.program": ("Posterior", "lens_program"),
    },
    "Other packages' conventions": {
        "lensmill.conventions": ("Domain", "position_angle"),
        "lensmill.exchange.tables": ("Table", "Component", "Converted", "LeftOut", "NoEquivalent"),
        "lensmill.exchange.lenstronomy": ("MASS", "LIGHT"),
        "lensmill.exchange.autolens": ("MASS", "light"),
        "lensmill.exchange.coolest": ("MASS", "LIGHT"),
        "lensmill.exchange.coolest_template": ("Entity", "Template", "Reading", "write", "read"),
    },
}  # fmt: skip
INTRODUCTION = """# API reference

Written by `tools/api.py` from the source; do not edit. Functions and classes that scripts and notebooks may rely on: a change of
one of them is told in the [changelog](../CHANGELOG.md), of anything else it is not. The keys of `lensmill.config.Config` are in
[Configuration](configuration.md), the parameters of every profile in [Profiles](profiles.md), commands under `lensmill --help`.

Shapes stand in the annotations, e.g. `Float[Array, "ny nx"]`; `Rays` is an array of any shape, `Scalar` one number.
"""


def documented(node: griffe.Object | griffe.Alias) -> str:
    """A docstring as Markdown; SystemExit where there is none."""
    if not node.docstring:
        sys.exit(f"tools/api.py: {node.path} is public and has no docstring")
    return node.docstring.value


def public(node: griffe.Object | griffe.Alias) -> list[str]:
    """The names of `__all__`, or those of functions and classes without an underscore."""
    named = [name for name, one in node.members.items() if not one.is_alias and (one.is_function or one.is_class)]
    return [str(name) for name in node.exports or ()] or [name for name in named if not name.startswith("_")]


def signature(node: griffe.Function) -> str:
    """A function as it is called: annotations as the source has them, without self."""
    return node.signature().replace("(self, ", "(").replace("(self)", "()")


def defined(module: griffe.Module, name: str) -> griffe.Object:
    """What a module's name stands for, through the packages that hand it on; not a submodule of the same name."""
    found = module[name]
    found = found[name] if found.is_module else found
    return found.final_target if isinstance(found, griffe.Alias) else found


def block(text: str) -> str:
    """Python in Markdown."""
    return f"```python\n{text}\n```\n"


def fields(node: griffe.Class) -> Iterator[str]:
    """The fields of a class, as its constructor takes them."""
    for name, part in node.members.items():
        if not isinstance(part, griffe.Attribute) or name.startswith("_") or "property" in part.labels:
            continue
        plain = isinstance(part.value, str) or part.annotation is None
        default = f" = {part.value}" if part.value is not None and plain else ""
        yield f"{name}: {part.annotation}{default}" if part.annotation is not None else f"{name}{default}"


def members(node: griffe.Class, inherited: set[str]) -> Iterator[str]:
    """Public methods and properties, but those that a base class on the page documents."""
    for name, part in node.members.items():
        if name.startswith("_") or name in inherited or not (part.is_function or "property" in part.labels):
            continue
        shown = signature(part) if isinstance(part, griffe.Function) else name
        yield f"- `{shown}`: {textwrap.indent(documented(part), '  ').strip()}"


def entry(name: str, node: griffe.Object, inherited: set[str]) -> Iterator[str]:
    """One function, class or constant."""
    yield f"#### {name}\n"
    if isinstance(node, griffe.Function):
        yield block(f"def {signature(node)}: ...")
        yield documented(node) + "\n"
    elif isinstance(node, griffe.Class):
        bases = ", ".join(base for base in map(str, node.bases) if not base.startswith("_"))
        head = f"class {name}({bases}):" if bases else f"class {name}:"
        yield block("\n".join([head, *(f"    {field}" for field in list(fields(node)) or ["..."])]))
        yield documented(node) + "\n"
        listed = list(members(node, inherited if "Abstract" in bases else set()))
        if listed:
            yield "\n".join(listed) + "\n"
    elif isinstance(node, griffe.Attribute) and node.annotation is not None:
        yield f"`{node.annotation}`\n"
    elif isinstance(node, griffe.Attribute) and isinstance(node.value, griffe.ExprCall):
        yield f"A `{node.value.function}`.\n"


def section(package: griffe.Module, name: str, names: tuple[str, ...]) -> Iterator[str]:
    """One module."""
    module = package[name.removeprefix("lensmill").removeprefix(".")] if name != "lensmill" else package
    yield f"### `{name}`\n"
    yield documented(module) + "\n"
    nodes = {one: defined(module, one) for one in names or public(module)}
    bases = (node for one, node in nodes.items() if one.startswith("Abstract"))
    inherited = {name for base in bases for name, part in base.members.items() if not isinstance(part, griffe.Alias)}
    for one, node in nodes.items():
        yield from entry(one, node, inherited)


def page() -> str:
    """The whole reference, its code laid out by the project's formatter."""
    package = griffe.load("lensmill", search_paths=[ROOT / "src"], resolve_aliases=True, allow_inspection=False)
    assert isinstance(package, griffe.Module)
    names = [name for modules in PUBLIC.values() for name in modules]
    parts = [INTRODUCTION, *(f"- [`{name}`](#{name.replace('.', '')})" for name in names), ""]
    for title, modules in PUBLIC.items():
        parts.append(f"## {title}\n")
        for name, listed in modules.items():
            parts += section(package, name, listed)
    ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--stdin-filename", str(PAGE), "-"]
    return subprocess.run(ruff, input="\n".join(parts), capture_output=True, text=True, check=True, cwd=ROOT).stdout


def main() -> None:
    """Write the page, or hold it against the source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not current")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/api.md: not what the source says; run make docs")


if __name__ == "__main__":
    main()
