"""Which key may be sent where. A recipe names both, and recipes come from strangers, too.

A key goes without asking to the host that it is known to belong to, to this machine, and, where NAME_API_KEY has a
NAME_BASE_URL beside it in the environment, to where that leads: the user has set both. For any other pair the user says
so once: `metaalign-data trust KEY HOST`, or "KEY@HOST" in METAALIGN_TRUSTED_HOSTS (several with commas), for machines
without a home.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from metaalign_data.errors import UserError
from metaalign_data.teacher.openai.check import is_loopback

VARIABLE = "METAALIGN_TRUSTED_HOSTS"
HOME_OF_KEY = {
    "OPENAI_API_KEY": "api.openai.com",
    "ANTHROPIC_API_KEY": "api.anthropic.com",
    "CEREBRAS_API_KEY": "api.cerebras.ai",
    "DEEPINFRA_API_KEY": "api.deepinfra.com",
    "DEEPSEEK_API_KEY": "api.deepseek.com",
    "FIREWORKS_API_KEY": "api.fireworks.ai",
    "GEMINI_API_KEY": "generativelanguage.googleapis.com",
    "GROQ_API_KEY": "api.groq.com",
    "HF_TOKEN": "router.huggingface.co",
    "MISTRAL_API_KEY": "api.mistral.ai",
    "NVIDIA_API_KEY": "integrate.api.nvidia.com",
    "OPENROUTER_API_KEY": "openrouter.ai",
    "TOGETHER_API_KEY": "api.together.xyz",
    "XAI_API_KEY": "api.x.ai",
}
"""The variables under which well-known providers tell their users to keep the key."""


def objection(key_env: str, base_url: str) -> str:
    """Why the key in `key_env` must not be sent to `base_url`, and what to do; "" where it may."""
    host = urlsplit(base_url).hostname or ""
    if is_loopback(base_url) or HOME_OF_KEY.get(key_env) == host:
        return ""
    name, is_named, _ = key_env.partition("_API_KEY")
    if is_named and _host(os.environ.get(f"{name}_BASE_URL", "")) == host:
        return ""
    if (key_env, host) in (*_from_environment(), *remembered()):
        return ""
    return (
        f"the recipe would send the key in {key_env} to {host}; if that is right, say so once: "
        f"metaalign-data trust {key_env} {host}"
    )


def remember(key_env: str, host: str) -> None:
    """Trust this key to this host from now on. Raises UserError for what is no host, and where it cannot be noted."""
    host = (_host(host) if "://" in host else _host(f"https://{host}")).lower()
    if not key_env.isidentifier() or not host:
        raise UserError(f"'{key_env}' and '{host}' are not a variable and a host")
    pairs = dict.fromkeys((*remembered(), (key_env, host)))
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key}@{at}\n" for key, at in pairs), encoding="utf-8")
    except OSError as e:
        fix = f"set {VARIABLE}={key_env}@{host}"
        raise UserError(f"cannot be written: {e.strerror}", where=str(path), fix=fix) from e


def remembered() -> list[tuple[str, str]]:
    """Keys and the hosts that they were trusted to."""
    try:
        return _pairs(_file().read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return []


def _from_environment() -> list[tuple[str, str]]:
    return _pairs(os.environ.get(VARIABLE, "").split(","))


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    split = [line.strip().partition("@") for line in lines]
    return [(key, host.lower()) for key, _, host in split if key and host]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "metaalign-data" / "trusted-hosts"
