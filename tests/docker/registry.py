"""A registry with one tiny image, as much of one as an engine asks for: manifest, configuration, one layer."""

import asyncio
import gzip
import hashlib
import io
import json
import os
import tarfile

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Use as a context; `name` is what to pull. The layer is sent up to its middle, the rest after `released`."""

    def __init__(self, labels, *, megabytes=3):
        self.released = asyncio.Event()
        self.pulls = 0
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            member = tarfile.TarInfo("data")
            member.size = megabytes * 1_000_000
            archive.addfile(member, io.BytesIO(os.urandom(member.size)))
        plain, packed = layer.getvalue(), gzip.compress(layer.getvalue(), 1)
        settings = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": labels, "User": "1000", "Cmd": ["/none"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
        }
        config = json.dumps(settings).encode()
        self._packed = packed
        self._blobs = {digest(config): config, digest(packed): packed}
        self._manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": part("application/vnd.docker.container.image.v1+json", config),
                "layers": [part("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
            }
        ).encode()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.name = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}/tiny:1"
        return self

    async def __aexit__(self, *_):
        self.released.set()
        self._server.close()

    async def _met(self, reader, writer):
        try:
            while line := (await reader.readline()).decode():
                while (await reader.readline()).strip():
                    pass
                method, path, _ = line.split()
                await self._answer(method, path, writer)
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, method, path, writer):
        kind, body = "application/json", b"{}"
        if "/manifests/" in path:
            kind, body = MANIFEST, self._manifest
            self.pulls += path.endswith("/manifests/1")  # what the tag means is asked once a pull
        elif "/blobs/" in path:
            kind, body = "application/octet-stream", self._blobs[path.rpartition("/")[2]]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Docker-Content-Digest: {digest(body)}\r\n\r\n".encode())
        if method == "GET":
            half = len(body) // 2 if body is self._packed else len(body)
            writer.write(body[:half])
            await writer.drain()
            if half < len(body):
                await self.released.wait()
                writer.write(body[half:])
        await writer.drain()


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def part(kind, data):
    return {"mediaType": kind, "size": len(data), "digest": digest(data)}
