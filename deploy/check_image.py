"""Runs the Dockerfile's steps in plain folders, where there is no container engine.

Each stage is a debootstrap folder of the Debian release that the base image is made from, with Debian's
own Python of the same version: what the base image adds beside (its Python in /usr/local) is not tried.
COPY, RUN, ENV, USER, HEALTHCHECK, ENTRYPOINT and CMD are read from the Dockerfile, so that a step which
does not work is found here. Then the entrypoint runs as the image's user on a database of the host,
until the health check passes, with a worker and a sandbox beside it; one event goes through.

    deploy/check_image.py FOLDER --uv PATH --postgres-bin /usr/lib/postgresql/15/bin

Needs Debian, root and debootstrap. It is no build: layers, the registry and the engine itself are not
tried. Exit code 0: all of it worked.
"""

import argparse
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BASES = {"python:3.13-slim": ("trixie", "python3")}
"""Base image → Debian release, and the package of its Python."""

MIRROR = "http://deb.debian.org/debian"
DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
API = "http://127.0.0.1:8420"
LONGEST = 120.0


@dataclass
class Stage:
    """A stage: its folder, and what its steps have set."""

    folder: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    )
    workdir: str = "/"
    user: str = "0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def inside(self, words: list[str], environment: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs these words in the folder, as the stage's user."""
        group = self.user
        for line in (self.folder / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if self.user in (name, uid):
                group = gid
        settings = [
            f"{name}={value}" for name, value in {**self.environment, **(environment or {})}.items()
        ]
        return [
            *("chroot", f"--userspec={self.user}:{group}", str(self.folder), "env", "-i"),
            *(*settings, "sh", "-c", f'cd "{self.workdir}" && exec "$@"', "sh", *words),
        ]


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Word and arguments of each instruction, continued lines joined."""
    joined = ""
    for line in dockerfile.read_text().splitlines():
        if line.lstrip().startswith("#") or not (joined or line.strip()):
            continue
        joined += line.rstrip("\\") if line.endswith("\\") else line
        if not line.endswith("\\"):
            word, _, rest = joined.strip().partition(" ")
            yield word.upper(), rest.strip()
            joined = ""


def build(folder: Path, uv: Path, arguments: Mapping[str, str]) -> Stage:
    """Do every step, with `arguments` in the environment of each RUN; the last stage."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in instructions(ROOT / "deploy" / "Dockerfile"):
        began = time.monotonic()
        if word == "FROM":
            image, *name = rest.split()
            stage = Stage(_base(folder, image, name[-1] if name else "final"))
            stages[name[-1] if name else "final"] = stage
            continue
        assert stage is not None, "an instruction before FROM"
        match word:
            case "ENV":
                stage.environment |= dict(
                    pair.split("=", 1) for pair in shlex.split(_filled(rest, stage))
                )
            case "WORKDIR":
                stage.workdir = rest
                (stage.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = rest
            case "COPY":
                _copy(stage, rest, stages, uv)
            case "RUN":
                subprocess.run(stage.inside(["sh", "-c", rest], arguments), check=True)
            case "HEALTHCHECK":
                stage.health = json.loads(rest.partition("CMD ")[2])
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
            case "CMD":
                stage.command = json.loads(rest)
            case "EXPOSE":
                pass
            case _:
                raise SystemExit(f"{word} is an instruction that this does not know.")
        print(f"{time.monotonic() - began:6.1f} s  {word} {rest[:100]}", flush=True)
    assert stage is not None, "there is no FROM"
    return stage


def _filled(text: str, stage: Stage) -> str:
    for name, value in stage.environment.items():
        text = text.replace(f"${name}", value)
    return text


def _base(folder: Path, image: str, name: str) -> Path:
    """A fresh copy of the base's folder, which is made once."""
    release, python = BASES[image]
    base, made = folder / release, folder / name
    if not (base / "etc/debian_version").exists():
        packages = f"--include=ca-certificates,{python}"
        subprocess.run(
            ["debootstrap", "--variant=minbase", packages, release, str(base), MIRROR],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    shutil.rmtree(made, ignore_errors=True)
    subprocess.run(["cp", "-a", str(base), str(made)], check=True)
    # What an engine gives every container.
    for name_of, (major, minor) in DEVICES.items():
        path = made / "dev" / name_of
        if not path.exists():
            os.mknod(path, 0o666 | 0o020000, os.makedev(major, minor))
            path.chmod(0o666)
    for file in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
        shutil.copy(Path("/etc") / file, made / "etc" / file)
    return made


def _copy(stage: Stage, rest: str, stages: Mapping[str, Stage], uv: Path) -> None:
    *sources, target = shlex.split(rest)
    origin = ROOT
    if sources[0].startswith("--from="):
        source = sources.pop(0).removeprefix("--from=")
        if source not in stages:
            # Another image: of those, only uv's program is taken.
            shutil.copy(uv, stage.folder / target.lstrip("/"))
            return
        origin = stages[source].folder
    place = stage.folder / (
        target if target.startswith("/") else f"{stage.workdir}/{target}"
    ).lstrip("/")
    for source in sources:
        path = origin / source.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True, ignore=_unwanted)
        else:
            shutil.copy2(path, place / path.name if place.is_dir() else place)


def _unwanted(folder: str, names: list[str]) -> list[str]:
    # As .dockerignore has it; what uv has compiled for the image is kept.
    return [name for name in names if name == "__pycache__"] if folder.startswith(str(ROOT)) else []


@contextmanager
def database(programs: Path) -> Iterator[str]:
    """A PostgreSQL of the host, for the time being; its URL."""
    home = Path(f"/tmp/frontdesk-image-{os.getpid()}")
    home.mkdir(mode=0o700)
    shutil.chown(home, "postgres", "postgres")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    def run(program: str, *words: str) -> None:
        command = ["runuser", "-u", "postgres", "--", str(programs / program), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-D", f"{home}/data", "-U", "frontdesk", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {home} -h 127.0.0.1 -p {port}"
    run("pg_ctl", "-D", f"{home}/data", "-o", options, "-l", f"{home}/log", "-w", "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "frontdesk", "frontdesk")
        yield f"postgresql://frontdesk@127.0.0.1:{port}/frontdesk"
    finally:
        run("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")
        shutil.rmtree(home)


def try_out(image: Stage, url: str) -> None:
    """Run the image's processes; one event must reach the sandbox. Raises SystemExit."""

    def said(*words: str, **more: str) -> str:
        done = subprocess.run(
            image.inside([*image.entrypoint, *words], more),
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    settings = {
        "DATABASE_URL": url,
        "FRONTDESK_ENCRYPTION_KEY": said("keys", "new"),
        "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
        "HOME": "/tmp",
    }
    account = json.loads(said("account", "create", "--limit", "0", "--json", **settings))["id"]
    token = said("token", "create", "--account", account, **settings)
    parts = (image.command, ["worker"], ["sandbox", "--port", "0"])
    running = [
        subprocess.Popen(
            image.inside([*image.entrypoint, *words], settings), stdout=subprocess.PIPE, text=True
        )
        for words in parts
    ]
    try:
        began = time.monotonic()
        while subprocess.run(
            image.inside(image.health), check=False, capture_output=True
        ).returncode:
            if time.monotonic() - began > LONGEST:
                raise SystemExit("The health check does not pass.")
            time.sleep(0.2)
        print(
            f"{time.monotonic() - began:6.1f} s  until the health check passed, as uid {image.user}"
        )
        sandbox = next(line for line in running[2].stdout or () if "http" in line).split()[4]
        deliver(token, sandbox)
        for process in running:
            process.terminate()
        codes = [process.wait(60) for process in running]
        if any(codes):
            raise SystemExit(f"They did not drain: exit codes {codes}.")
    finally:
        for process in running:
            process.kill()
            process.wait()


def deliver(token: str, sandbox: str) -> None:
    """Send an event to the first vendor of the sandbox that takes it. Raises SystemExit."""

    def ask(method: str, url: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    vendor, about = next(iter(ask("GET", f"{sandbox}/_sandbox")["vendors"].items()))
    body = {"integration_vendor": vendor, "name": "image", "active": True}
    body |= {"credentials": about["credentials"], "base_url": about["base_url"]}
    made = ask("POST", f"{API}/v1/admin/integrations/", body)["result"]["id"]
    began = time.monotonic()
    while not ask("GET", f"{API}/v1/admin/integrations/{made}")["results"]["last_completed_sync"]:
        if time.monotonic() - began > LONGEST:
            raise SystemExit("The catalog was not read.")
        time.sleep(0.2)
    text = f"from the image {time.time_ns()}"
    refused = "it has no residents"
    for resident in ask("GET", f"{API}/v1/residents/?integration_id={made}")["results"]:
        body = {"integration_id": made, "resident_id": resident["id"], "notes": text}
        try:
            job = ask("POST", f"{API}/v1/events/residents", body)["job_id"]
        except urllib.error.HTTPError as error:
            refused = error.read().decode()
            continue  # this one lacks what the vendor needs
        state = ask("GET", f"{API}/v1/admin/write-status/{job}?wait=30")["state"]
        if not any(text in effect["text"] for effect in ask("GET", f"{sandbox}/_sandbox/effects")):
            raise SystemExit(f"The event is {state}, and not in the sandbox of {vendor}.")
        print(f"        an event reached the sandbox of {vendor}: {state}")
        return
    raise SystemExit(f"No event was accepted for {vendor}: {refused}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, help="where the folders are made; the base is kept there"
    )
    parser.add_argument(
        "--uv", type=Path, required=True, help="the uv program of the pinned version"
    )
    parser.add_argument("--postgres-bin", type=Path, default=Path("/usr/lib/postgresql/15/bin"))
    parser.add_argument(
        "--build-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for the RUN steps, such as a proxy",
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    arguments = dict(pair.split("=", 1) for pair in given.build_arg)
    image = build(given.folder.resolve(), given.uv, arguments)
    size = subprocess.run(
        ["du", "-sm", str(image.folder / "opt")], check=True, capture_output=True, text=True
    )
    print(f"{size.stdout.split()[0]:>6} MB that the image adds to its base in /opt")
    with database(given.postgres_bin) as url:
        try_out(image, url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
