"""Which address of the loopback Hub is answered by what."""

import re
from collections.abc import Callable

from loopback_hub import files, repos
from loopback_hub.messages import Reply, Request

NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
API = rf"/api/(?P<kind>model|dataset|space)s/{NAME}"
GIT = rf"/(?P<prefix>datasets/|spaces/)?{NAME}\.git/info/lfs"
REVISION = r"(?P<revision>[^/]+)"
SHA256 = r"(?P<sha256>[0-9a-f]{64})"

STORED = re.compile(r"/_cdn/.*|/_lfs/.*(?<!/complete)")
"""What lies at the other host."""

_TABLE: list[tuple[str, str, Callable[[Request], Reply]]] = [
    ("GET", r"/api/whoami-v2", repos.whoami),
    ("POST", r"/api/repos/create", repos.create),
    ("DELETE", r"/api/repos/delete", repos.delete),
    ("POST", r"/api/validate-yaml", repos.validate_yaml),
    ("GET", rf"{API}/tree/{REVISION}(?:/(?P<path>.+))?", repos.tree),
    ("GET", rf"{API}/revision/{REVISION}", repos.info),
    ("GET", rf"{API}/refs", repos.refs),
    ("GET", rf"{API}/commits/{REVISION}", repos.commits),
    ("POST", rf"{API}/paths-info/{REVISION}", repos.paths_info),
    ("POST", rf"{API}/preupload/{REVISION}", files.preupload),
    ("POST", rf"{API}/commit/{REVISION}", files.commit),
    ("POST", rf"{API}/branch/{REVISION}", repos.branch),
    ("POST", rf"{API}/tag/{REVISION}", repos.tag),
    ("GET", API, repos.info),
    ("POST", rf"{GIT}/objects/batch", files.lfs_batch),
    ("PUT", rf"/_lfs/{SHA256}", files.lfs_put),
    ("PUT", rf"/_lfs/{SHA256}/part/(?P<part>\d+)", files.lfs_put_part),
    ("POST", rf"/_lfs/{SHA256}/complete", files.lfs_complete),
    ("GET|HEAD", rf"/_cdn/{SHA256}", files.stored),
    ("GET|HEAD", rf"/(?P<prefix>datasets/|spaces/)?{NAME}/(?:resolve|raw)/{REVISION}/(?P<path>.+)", files.resolve),
]
ROUTES = [(methods, re.compile(pattern), answer) for methods, pattern, answer in _TABLE]
