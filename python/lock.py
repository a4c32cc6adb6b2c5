# /// script
# requires-python = ">=3.11"
# dependencies = ["uv"]
# ///
"""Pin requirements.in: write cp311.lock, cp312.lock and cp313.lock beside this file.

Run it with `uv run python/lock.py` (or `pip install uv && python python/lock.py`), try the result with
`go test ./internal/pyenv ./internal/e2e/filetypes`, and commit the locks with the change that asked for them.

There is a lock per Python version because some projects drop a version before we do, and a lock without environment
markers can be installed for one interpreter by the pip of another. A lock allows the wheels of linux x86_64 and
aarch64 with glibc 2.28 or newer and nothing else: no source distribution, so nothing is ever built or run while installing.
"""

import pathlib
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).parent
VERSIONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
HEADER = "# Written by lock.py from requirements.in for CPython {version}, linux x86_64 and aarch64. Do not edit.\n"


def resolve(version: str, platform: str, folder: pathlib.Path) -> dict[tuple[str, str], set[str]]:
    """Return the hashes of the wheels that fit, by (name, version)."""
    out = folder / "pylock.toml"
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--upgrade", "--only-binary", ":all:",
         "--python-version", version, "--python-platform", platform, "--format", "pylock.toml",
         "--output-file", str(out), str(HERE / "requirements.in")],
        check=True,
    )
    pins = {}
    for package in tomllib.loads(out.read_text())["packages"]:
        hashes = {wheel["hashes"]["sha256"] for wheel in package["wheels"]}
        pins[package["name"], package["version"]] = hashes
    return pins


def lock(version: str) -> str:
    """Return the text of the lock for one Python version."""
    with tempfile.TemporaryDirectory() as folder:
        pins = [resolve(version, platform, pathlib.Path(folder)) for platform in PLATFORMS]
    first = pins[0]
    for platform, other in zip(PLATFORMS, pins):
        if different := first.keys() ^ other.keys():
            raise SystemExit(f"python {version}: {PLATFORMS[0]} and {platform} differ in {sorted(different)}; pin them in requirements.in")
    lines = [HEADER.format(version=version)]
    for name, pin in sorted(first):
        hashes = sorted(set().union(*(p[name, pin] for p in pins)))
        lines.append(f"{name}=={pin} \\\n" + " \\\n".join(f"    --hash=sha256:{h}" for h in hashes) + "\n")
    return "".join(lines)


for version in VERSIONS:
    text = lock(version)
    (HERE / f"cp{version.replace('.', '')}.lock").write_text(text)
    print(f"python {version}: {text.count('==')} packages")
