"""The loopback Hub's files: sent to LFS, committed, read."""

import base64
import hashlib
import json
import re
from fnmatch import fnmatch
from typing import Any

import yaml

from loopback_hub.messages import Reply, Request
from loopback_hub.store import Entry, Refusal, front_matter

MAX_REGULAR_BYTES = 10 * 1024 * 1024


def preupload(request: Request) -> Reply:
    repo, asked = request.repo(write=True), request.data()
    commit = repo.at(request.named["revision"])
    rules = request.hub.store.blobs[commit.files[".gitattributes"].sha256].decode()
    patterns = [line.split()[0] for line in rules.splitlines() if "filter=lfs" in line]
    told = []
    for file in asked["files"]:
        path = file["path"]
        large = file["size"] > MAX_REGULAR_BYTES or b"\0" in base64.b64decode(file.get("sample", ""))
        mode = "lfs" if large or any(fnmatch(path, pattern) for pattern in patterns) else "regular"
        row = {"path": path, "uploadMode": mode, "shouldIgnore": False}
        if entry := commit.files.get(path):
            row["oid"] = entry.sha256 if entry.lfs else entry.oid
        told.append(row)
    return Reply({"files": told, "commitOid": commit.id})


def lfs_batch(request: Request) -> Reply:
    request.repo(write=True)
    asked, hub = request.data(), request.hub
    told = []
    for wanted in asked["objects"]:
        sha256, size = wanted["oid"], wanted["size"]
        row = {"oid": sha256, "size": size}
        if sha256 not in hub.store.blobs:
            upload: dict[str, Any] = {"href": f"{hub.storage_url}/_lfs/{sha256}", "header": {}}
            if "multipart" in asked.get("transfers", []) and size > hub.part_bytes:
                parts = range(1, -(-size // hub.part_bytes) + 1)
                header = {str(i): f"{hub.storage_url}/_lfs/{sha256}/part/{i}" for i in parts}
                header["chunk_size"] = str(hub.part_bytes)
                upload = {"href": f"{hub.url}/_lfs/{sha256}/complete", "header": header}
            row["actions"] = {"upload": upload}
        told.append(row)
    return Reply({"transfer": "basic", "objects": told})


def lfs_put(request: Request) -> Reply:
    content = request.body()
    if hashlib.sha256(content).hexdigest() != request.named["sha256"]:
        raise Refusal(400, "XAmzContentSHA256Mismatch")
    request.hub.store.put(content)
    return Reply(b"", headers={"ETag": '"whole"'})


def lfs_put_part(request: Request) -> Reply:
    content = request.body()
    request.hub.store.parts[request.named["sha256"], int(request.named["part"])] = content
    return Reply(b"", headers={"ETag": f'"{hashlib.md5(content).hexdigest()}"'})


def lfs_complete(request: Request) -> Reply:
    sha256, asked = request.named["sha256"], request.data()
    content = b"".join(request.hub.store.parts.pop((sha256, part["partNumber"])) for part in asked["parts"])
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Refusal(400, "checksum mismatch")
    request.hub.store.put(content)
    return Reply()


def commit(request: Request) -> Reply:
    header, *lines = [json.loads(line) for line in request.body().splitlines() if line.strip()]
    store, revision = request.hub.store, request.named["revision"]
    with store.lock:
        repo = request.repo(write=True)
        base, ref = repo.at(revision), f"refs/heads/{revision}"
        if request.query.get("create_pr"):
            ref = f"refs/pr/{1 + sum(name.startswith('refs/pr/') for name in repo.refs)}"
        elif ref not in repo.refs:
            raise Refusal(400, f"{revision} is not a branch")
        if (parent := header["value"].get("parentCommit")) and parent != base.id:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = dict(base.files)
        for line in lines:
            _apply(request, files, line["key"], line["value"])
        made = repo.add_commit(ref, files, header["value"]["summary"], request.someone().name, base.id)
    section = "" if repo.kind == "model" else f"{repo.kind}s/"
    address = f"{request.hub.url}/{section}{repo.name}"
    pull_request = f"{address}/discussions/{ref.rpartition('/')[2]}" if request.query.get("create_pr") else None
    return Reply(
        {
            "success": True,
            "commitOid": made.id,
            "commitUrl": f"{address}/commit/{made.id}",
            "pullRequestUrl": pull_request,
        }
    )


def _apply(request: Request, files: dict[str, Entry], key: str, value: Any) -> None:
    """One line of a commit."""
    store, path = request.hub.store, value["path"]
    match key:
        case "file":
            content = base64.b64decode(value["content"])
            if path == "README.md":
                try:
                    front_matter(content)
                except (ValueError, yaml.YAMLError) as e:
                    raise Refusal(400, f"Invalid metadata in README.md: {e}") from e
            files[path] = store.regular(content)
        case "lfsFile":
            if value["oid"] not in store.blobs:
                raise Refusal(400, f"an LFS pointer pointed to a file that does not exist: {path}")
            files[path] = store.in_lfs(value["oid"])
        case "deletedFile":
            if files.pop(path, None) is None:
                raise Refusal(404, f"{path} does not exist", "EntryNotFound")
        case _:
            raise Refusal(400, f"unknown key {key}")


def resolve(request: Request) -> Reply:
    commit = request.repo().at(request.named["revision"])
    headers = {"X-Repo-Commit": commit.id, "Accept-Ranges": "bytes"}
    entry = commit.files.get(request.named["path"])
    if entry is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", headers)
    etag = f'"{entry.sha256 if entry.lfs else entry.oid}"'
    if entry.lfs:
        told = {"X-Linked-Etag": etag, "X-Linked-Size": str(entry.size), "ETag": etag}
        address = f"{request.hub.storage_url}/_cdn/{entry.sha256}"
        return Reply(b"", status=302, headers={**headers, **told, "Location": address})
    return _part_of(request, entry.sha256, {**headers, "ETag": etag})


def stored(request: Request) -> Reply:
    sha256 = request.named["sha256"]
    return _part_of(request, sha256, {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"})


def _part_of(request: Request, sha256: str, headers: dict[str, str]) -> Reply:
    content = request.hub.store.blobs[sha256]
    asked = {name.lower(): value for name, value in request.headers.items()}.get("range", "")
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if not found or not (found[1] or found[2]):
        return Reply(content, headers=headers)
    first = int(found[1]) if found[1] else max(0, len(content) - int(found[2]))
    last = min(int(found[2]), len(content) - 1) if found[1] and found[2] else len(content) - 1
    if first > last:
        raise Refusal(416, "Range Not Satisfiable", headers={"Content-Range": f"bytes */{len(content)}"})
    told = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Reply(content[first : last + 1], status=206, headers=told)
