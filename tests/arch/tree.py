"""What the architecture tests know about the tree: where it is, which files belong to it, how to compile a snippet."""
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(os.environ.get("STREAMR_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BINARY = pathlib.Path(os.environ.get("STREAMR_BINARY_DIR", ROOT / "build" / "dev"))
CC = os.environ.get("CC", "cc")
CXX = os.environ.get("CXX", "c++")
LAYERS = ["base", "crypto", "proto", "core", "io", "capi"]
CODE = (".c", ".cc", ".cpp", ".h", ".hpp", ".py", ".mjs", ".js", ".cmake", ".sh")
HEADER = ROOT / "include" / "streamr" / "streamr.h"


def tracked_files():
    """Files that git knows, or without git every file outside the build folders."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        skip = {"build", "node_modules", ".git", "__pycache__"}
        paths = [p for p in ROOT.rglob("*") if not skip & set(p.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def code_files(*tops):
    """Code below the given folders, or in the whole tree."""
    for path in tracked_files():
        parts = path.relative_to(ROOT).parts
        is_script = not path.suffix and path.read_bytes()[:2] == b"#!"
        if (path.suffix in CODE or is_script) and (not tops or parts[0] in tops):
            yield path


def includes(text):
    """Every include of a C or C++ text as (quoted or angled, path)."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text, re.MULTILINE)


def compile_text(compiler, text, suffix, arguments):
    """Compiles a text; returns (exit code, what the compiler said)."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / f"text{suffix}"
        source.write_text(text)
        output = pathlib.Path(folder) / "out"
        done = subprocess.run([compiler, *arguments, f"-I{ROOT / 'include'}", str(source), "-o", str(output)],
                              capture_output=True, text=True)
        return done.returncode, done.stderr
