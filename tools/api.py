"""Write docs/api.md from the docstrings and signatures of the public functions and classes.

python tools/api.py [--check]
"""

import argparse
import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
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
    "Configuration": {"lensmill.config": ("load", "load_priors", "prior_table", "dump", "ConfigError")},
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
        "lensmill.fit.problem": ("ImageData", "Effort", "Problem", "build_problem"),
        "lensmill.fit.search": ("Basin", "Maximum", "NoMaximum", "find_maximum"),
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
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def module(name: str) -> ast.Module:
    """The source of a module or a package."""
    path = SOURCE.joinpath(*name.split("."))
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))


def defined(tree: ast.Module) -> dict[str, Definition]:
    """What a module itself defines, by name."""
    found: dict[str, Definition] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            found[ast.unparse(target)] = node
    return found


def imported(tree: ast.Module) -> dict[str, str]:
    """The modules from which a module imports names."""
    froms = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.asname or alias.name: str(node.module) for node in froms for alias in node.names}


def find(name: str, within: str) -> Definition:
    """Where a name is defined, through the packages that hand it on."""
    tree = module(within)
    here = defined(tree)
    if name in here:
        return here[name]
    return find(name, imported(tree)[name])


def public(name: str) -> tuple[str, ...]:
    """The names of `__all__`, or those of functions and classes without an underscore."""
    here = defined(module(name))
    listed = here.get("__all__")
    if isinstance(listed, ast.Assign):
        return tuple(ast.literal_eval(listed.value))
    return tuple(n for n, d in here.items() if isinstance(d, ast.FunctionDef | ast.ClassDef) and not n.startswith("_"))


def documented(node: ast.Module | ast.FunctionDef | ast.ClassDef, name: str) -> str:
    """A docstring as Markdown; SystemExit where there is none."""
    text = ast.get_docstring(node)
    if not text:
        sys.exit(f"tools/api.py: {name} is public and has no docstring")
    return text


def signature(node: ast.FunctionDef) -> str:
    """A function as it is called: annotations as the source has them, without self."""
    arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({arguments}){answer}"


def block(text: str) -> str:
    """Python in Markdown."""
    return f"```python\n{text}\n```\n"


def fields(node: ast.ClassDef) -> Iterator[str]:
    """The fields of a class, as its constructor takes them."""
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.target).startswith("_"):
            default = f" = {ast.unparse(part.value)}" if isinstance(part.value, ast.Constant) else ""
            yield f"{ast.unparse(part.target)}: {ast.unparse(part.annotation)}{default}"
        elif isinstance(part, ast.Assign):
            yield ast.unparse(part)


def members(node: ast.ClassDef, inherited: set[str]) -> Iterator[str]:
    """Public methods and properties, but those that a base class on the page documents."""
    for part in node.body:
        if not isinstance(part, ast.FunctionDef) or part.name.startswith("_") or part.name in inherited:
            continue
        decorators = {ast.unparse(one) for one in part.decorator_list}
        is_property = bool(decorators & {"property", "functools.cached_property"})
        shown = part.name if is_property else signature(part)
        text = textwrap.indent(documented(part, f"{node.name}.{part.name}"), "  ").strip()
        yield f"- `{shown}`: {text}"


def abstract(nodes: list[Definition]) -> set[str]:
    """The methods of the base classes among these."""
    bases = (node for node in nodes if isinstance(node, ast.ClassDef) and node.name.startswith("Abstract"))
    return {part.name for node in bases for part in node.body if isinstance(part, ast.FunctionDef)}


def entry(name: str, node: Definition, inherited: set[str]) -> Iterator[str]:
    """One function, class or constant."""
    yield f"#### {name}\n"
    if isinstance(node, ast.FunctionDef):
        yield block(f"def {signature(node)}: ...")
        yield documented(node, name) + "\n"
    elif isinstance(node, ast.ClassDef):
        bases = ", ".join(base for base in map(ast.unparse, node.bases) if not base.startswith("_"))
        head = f"class {name}({bases}):" if bases else f"class {name}:"
        yield block("\n".join([head, *(f"    {field}" for field in list(fields(node)) or ["..."])]))
        yield documented(node, name) + "\n"
        own = inherited if "Abstract" in bases else set()
        listed = list(members(node, own))
        if listed:
            yield "\n".join(listed) + "\n"
    elif isinstance(node, ast.AnnAssign):
        yield f"`{ast.unparse(node.annotation)}`\n"
    elif isinstance(node.value, ast.Call):
        yield f"A `{ast.unparse(node.value.func)}`.\n"


def section(name: str, names: tuple[str, ...]) -> Iterator[str]:
    """One module."""
    yield f"### `{name}`\n"
    yield documented(module(name), name) + "\n"
    nodes = {one: find(one, name) for one in names or public(name)}
    inherited = abstract(list(nodes.values()))
    for one, node in nodes.items():
        yield from entry(one, node, inherited)


def page() -> str:
    """The whole reference, its code laid out by the project's formatter."""
    names = [name for modules in PUBLIC.values() for name in modules]
    parts = [INTRODUCTION, *(f"- [`{name}`](#{name.replace('.', '')})" for name in names), ""]
    for title, modules in PUBLIC.items():
        parts.append(f"## {title}\n")
        for name, listed in modules.items():
            parts += section(name, listed)
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
