"""The loopback Hub's repositories: made, described, listed, tagged, removed."""

from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from loopback_hub.messages import Reply, Request
from loopback_hub.store import Commit, Entry, Refusal, Repo, front_matter


def whoami(request: Request) -> Reply:
    user = request.someone()
    role = "write" if user.may_write else "read"
    token = {"displayName": "test", "role": role}
    return Reply(
        {"type": "user", "name": user.name, "orgs": [], "auth": {"type": "access_token", "accessToken": token}}
    )


def create(request: Request) -> Reply:
    user, asked = request.someone(), request.data()
    name = f"{asked.get('organization') or user.name}/{asked['name']}"
    kind, private = asked.get("type") or "model", asked.get("visibility") == "private" or bool(asked.get("private"))
    request.hub.store.create(kind, name, user, private=private)
    section = "" if kind == "model" else f"{kind}s/"
    return Reply({"url": f"{request.hub.url}/{section}{name}", "name": name})


def delete(request: Request) -> Reply:
    user, asked = request.someone(), request.data()
    name = f"{asked.get('organization') or user.name}/{asked['name']}"
    request.hub.store.delete(asked.get("type") or "model", name, user)
    return Reply()


def info(request: Request) -> Reply:
    repo = request.repo()
    return Reply(_described(request, repo, repo.at(request.named.get("revision") or "main")))


def _described(request: Request, repo: Repo, commit: Commit) -> dict[str, Any]:
    card: dict[str, Any] = {}
    if "README.md" in commit.files:
        card = front_matter(request.hub.store.blobs[commit.files["README.md"].sha256])
    return {
        "_id": "0" * 24,
        "id": repo.name,
        "author": repo.name.split("/")[0],
        "sha": commit.id,
        "lastModified": commit.date,
        "createdAt": commit.date,
        "private": repo.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": card or None,
        "siblings": [{"rfilename": path} for path in sorted(commit.files)],
    }


def tree(request: Request) -> Reply:
    commit = request.repo().at(request.named["revision"])
    rows = _listed(commit.files, request.named.get("path", "").strip("/"), recursive=request.yes("recursive"))
    start = int(request.query.get("cursor", ["0"])[0])
    page = rows[start : start + request.hub.page]
    headers = {}
    if start + len(page) < len(rows):
        kept = "&".join(f"{name}={quote(value[0])}" for name, value in request.query.items() if name != "cursor")
        address = f"{request.hub.url}{urlsplit(request.path).path}?{kept}&cursor={start + len(page)}"
        headers["Link"] = f'<{address}>; rel="next"'
    return Reply(page, headers=headers)


def _listed(files: dict[str, Entry], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    start = f"{folder}/" if folder else ""
    found: dict[str, Entry | None] = {}
    for path, entry in files.items():
        if not path.startswith(start):
            continue
        parts = path[len(start) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            found[start + "/".join(parts[:depth])] = None
        if len(parts) == 1 or recursive:
            found[path] = entry
    if folder and not found:
        raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
    return [entry.as_json(path) if entry else _folder(path) for path, entry in sorted(found.items())]


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "oid": "0" * 40, "size": 0, "path": path}


def paths_info(request: Request) -> Reply:
    files = request.repo().at(request.named["revision"]).files
    paths = request.data()["paths"]
    told = [files[path].as_json(path) for path in paths if path in files]
    folders = [path for path in paths if any(file.startswith(f"{path.rstrip('/')}/") for file in files)]
    return Reply([*told, *map(_folder, folders)])


def refs(request: Request) -> Reply:
    repo = request.repo()

    def under(start: str) -> list[dict[str, str]]:
        named = [(ref, commit) for ref, commit in repo.refs.items() if ref.startswith(start)]
        return [{"name": ref.removeprefix(start), "ref": ref, "targetCommit": commit} for ref, commit in named]

    told = {"branches": under("refs/heads/"), "tags": under("refs/tags/"), "converts": []}
    return Reply({**told, "pullRequests": under("refs/pr/")})


def commits(request: Request) -> Reply:
    repo = request.repo()
    commit: Commit | None = repo.at(request.named["revision"])
    told = []
    while commit:
        author = [{"user": commit.author}]
        told.append({"id": commit.id, "title": commit.title, "message": "", "date": commit.date, "authors": author})
        commit = repo.commits.get(commit.parent or "")
    return Reply(told)


def branch(request: Request) -> Reply:
    return _new_ref(request, f"refs/heads/{request.named['revision']}", request.data().get("startingPoint", "main"))


def tag(request: Request) -> Reply:
    return _new_ref(request, f"refs/tags/{request.data()['tag']}", request.named["revision"])


def _new_ref(request: Request, ref: str, revision: str) -> Reply:
    with request.hub.store.lock:
        repo = request.repo(write=True)
        if ref in repo.refs:
            raise Refusal(409, f"Reference already exists: {ref}")
        repo.refs[ref] = repo.at(revision).id
    return Reply()


def validate_yaml(request: Request) -> Reply:
    try:
        front_matter(request.data()["content"].encode())
    except (ValueError, yaml.YAMLError) as e:
        return Reply({"error": "YAML Metadata Error", "errors": [{"message": str(e)}], "warnings": []}, status=400)
    return Reply({"errors": [], "warnings": []})
