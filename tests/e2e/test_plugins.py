"""Credential plug-ins of kubeconfigs: how often they run, what is told of them, and what replaces a missing one."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from conftest import PROGRAM, Bed, Irsa
from processes import identify
from readback import S3, Seen

V1 = "client.authentication.k8s.io/v1"


class Plugin:
    """A plug-in that is a shell script; each run appends a line to a file."""

    def __init__(self, bed: Bed, folder: Path, body: str, url: str = "front", **fields: Any) -> None:
        self.program, self._runs = folder / "plugin", folder / "runs"
        self.program.write_text(f'#!/bin/sh\ncd "{folder}"\necho run >> runs\n{body}\n')
        self.program.chmod(0o755)
        plugin = {"apiVersion": V1, "command": str(self.program), "interactiveMode": "IfAvailable", **fields}
        self.kubeconfig = str(bed.kubeconfig(folder / "config", url=url, exec=plugin))

    @property
    def runs(self) -> int:
        """How often it was run."""
        return len(self._runs.read_text().splitlines()) if self._runs.exists() else 0


def answer(token: str, **status: str) -> str:
    """The line of a script that prints a credential."""
    document = {"apiVersion": V1, "kind": "ExecCredential", "status": {"token": token, **status}}
    return f"echo '{json.dumps(document)}'"


def test_it_runs_once(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    plugin = Plugin(bed, tmp_path, answer(bed["tokens"]["admin"], expirationTimestamp="2020-01-01T00:00:00Z"))
    irsa("create", seen.place, "-p", S3, "--kubeconfig", plugin.kubeconfig, "-o", "json").done()
    assert (seen.annotation, plugin.runs) == (seen.arn, 1)


def test_one_that_fails_runs_once_and_is_heard(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    """Its words reach the error in full, but not its secrets."""
    token = f"eyJ{'x' * 60}"
    body = (
        'echo "refreshing the session" >&2; echo "Error: the SSO session of profile dev has expired" >&2;'
        f' echo "sent {token} and $MY_SECRET" >&2; echo "run: aws sso login --profile dev" >&2; exit 255'
    )
    plugin = Plugin(bed, tmp_path, body, env=[{"name": "MY_SECRET", "value": "hunter22"}])
    ran = irsa("create", seen.place, "-p", S3, "--kubeconfig", plugin.kubeconfig, "-o", "json")
    error = ran.refused("access_denied")
    cause = next(cause for cause in error["caused_by"] if cause.startswith("credential plug-in"))
    assert cause.endswith(
        "failed with exit status: 255: refreshing the session\n"
        "Error: the SSO session of profile dev has expired\n"
        "sent *** and ***\n"
        "run: aws sso login --profile dev"
    ), cause
    assert plugin.runs == 1
    assert "run: aws sso login --profile dev" in ran.stderr
    assert token not in ran.stdout + ran.stderr and "hunter22" not in ran.stdout + ran.stderr
    assert seen.nothing()


def test_one_that_hangs_is_named_and_ended(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    plugin = Plugin(bed, tmp_path, "echo 'open https://login.example' >&2; sleep 300 & echo $$ $! > ids; wait")
    create = ["create", seen.place, "-p", S3, "--kubeconfig", plugin.kubeconfig, "--timeout", "3s", "-o", "json"]
    ran = subprocess.run(
        [str(PROGRAM), *create],
        env=irsa.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    error = json.loads(ran.stdout)["error"]
    told = str(error["caused_by"])
    assert (ran.returncode, error["kind"], plugin.runs) == (1, "timeout", 1), ran
    assert f'waiting for credential plug-in "{plugin.program}"' in told.replace("\\", ""), told
    assert "open https://login.example" in told, told
    ids = [int(word) for word in (tmp_path / "ids").read_text().split()]
    deadline = time.monotonic() + 5
    while any(identify(one) for one in ids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [identify(one) for one in ids] == ["", ""]


def test_the_hint_of_the_kubeconfig_is_given(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    plugin = {"apiVersion": V1, "command": "no-such-plugin", "interactiveMode": "Never"}
    config = bed.kubeconfig(tmp_path / "config", exec={**plugin, "installHint": "brew install no-such-plugin"})
    error = irsa("create", seen.place, "-p", S3, "--kubeconfig", str(config), "-o", "json").refused("unavailable")
    assert error["code"] == "PluginMissing" and error["hint"].endswith("brew install no-such-plugin"), error


def test_what_it_prints_is_never_quoted(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    plugin = Plugin(bed, tmp_path, "echo 'kind: ExecCredential'; echo 'status: {token: [hunter2222222222]}'")
    ran = irsa("list", "--kubeconfig", plugin.kubeconfig, "-vv", "-o", "json")
    assert "printed something that is not an ExecCredential" in str(ran.refused("access_denied")["caused_by"])
    assert "hunter2" not in ran.stdout + ran.stderr


class Absent:
    """A kubeconfig whose `aws` is not there, and AWS profiles beside it."""

    def __init__(self, bed: Bed, folder: Path, *args: str, command: str = "aws", **env: str) -> None:
        demo = bed["clusters"]["demo"]
        plugin = {
            "apiVersion": V1.replace("v1", "v1beta1"),
            "command": command,
            "args": [*args, "--region", demo["region"]],
            "env": [{"name": name, "value": value} for name, value in env.items()],
            "interactiveMode": "IfAvailable",
        }
        self.config = str(bed.kubeconfig(folder / "config", url="eks", exec=plugin))
        profiles = folder / "profiles"
        profiles.write_text("[profile dev]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        # Whoever signs with these is turned away by the front of EKS.
        self.env: dict[str, str | None] = {
            "PATH": "",
            "KUBECONFIG": self.config,
            "AWS_CONFIG_FILE": str(profiles),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_SECRET_ACCESS_KEY": "wrong",
        }


GET = ("eks", "get-token", "--cluster-name", "demo")


def test_a_missing_plugin_is_replaced_with_its_profile(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    absent = Absent(bed, tmp_path, "--profile", "dev", *GET)
    ran = irsa("create", seen.place, "-p", S3, "-o", "json", env=absent.env)
    (warning,) = ran.done()["warnings"]
    assert warning["id"] == "plugin-replaced" and "with the credentials of profile dev" in warning["message"], warning
    assert (seen.annotation, ran.stderr.count("[plugin-replaced]")) == (seen.arn, 1)
    for command in (["get", seen.place], ["list"]):
        ran = irsa(*command, "-o", "json", env=absent.env)
        assert ran.done() and ran.stderr.count("[plugin-replaced]") == 1, ran


def test_a_missing_plugin_is_not_replaced_with_other_credentials(
    bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path
) -> None:
    """The plug-in would have been turned away, and so is irsa, which says with what."""
    absent = Absent(bed, tmp_path, *GET)
    ran = irsa("create", seen.place, "-p", S3, "--profile", "dev", "-o", "json", env=absent.env)
    assert "credentials of profile dev, which irsa uses for everything" in ran.stderr, ran
    ran = irsa("create", seen.place, "-p", S3, "-o", "json", env=absent.env)
    assert "signature does not match" in str(ran.refused("access_denied")["caused_by"])
    assert "[plugin-replaced]" in ran.stderr, ran


def test_a_missing_plugin_is_replaced_with_its_role(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    role = f"arn:aws:iam::{bed['account']}:role/admins"
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    absent = Absent(bed, tmp_path, *GET, "--role-arn", role, **keys)
    bed.reset()
    ran = irsa("create", seen.place, "-p", S3, "-o", "json", env=absent.env)
    (warning,) = ran.done()["warnings"]
    assert f"role {role}, assumed with the access keys of the kubeconfig" in warning["message"], warning
    assumed = [entry for entry in bed.log()["requests"] if entry["action"] == "AssumeRole"]
    assert len(assumed) == 1, assumed


def test_a_missing_plugin_of_unknown_identity_is_refused(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    absent = Absent(bed, tmp_path, "exec", "dev", "--", "aws", *GET, command="aws-vault")
    error = irsa("create", seen.place, "-p", S3, "-o", "json", env=absent.env).refused("unavailable")
    assert (error["code"], seen.nothing()) == ("PluginMissing", True)
    assert 'credential plug-in "aws-vault" cannot be started' in str(error["caused_by"]).replace("\\", ""), error
