"""The desk: what clients ask of a hub's pools. Pools are opened, attached to, left and closed here.

Knows which pools there are and who holds them; what happens inside one is `pools`' business. Sessions are not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec

from yonder import wire
from yonder.hub import borders
from yonder.hub.clients import Client
from yonder.hub.environments import sent_from
from yonder.hub.executor import Executor
from yonder.hub.files import Known, Table, there
from yonder.hub.lent import Lent
from yonder.hub.objects import lost_end
from yonder.hub.pools import PoolRoom
from yonder.hub.pools import Surroundings as PoolSurroundings
from yonder.hub.staff import Staff
from yonder.hub.worker import clock
from yonder.version import __version__

FIELDS = frozenset(wire.PoolSpec.__struct_fields__)


class Surroundings(PoolSurroundings, Protocol):
    """What the desk needs of the hub."""

    place: wire.Place

    @property
    def log(self) -> Callable[[str], None]: ...

    def located(self, place: wire.Place) -> wire.Place:
        """Where code runs when a program says `place`."""

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None: ...


class Desk:
    """All pools of one owner, by name."""

    def __init__(self, hub: Surroundings) -> None:
        self.pools: dict[str, PoolRoom] = {}
        self._ending: list[PoolRoom] = []
        self._specs: dict[str, wire.PoolSpec] = {}
        self._hub = hub
        self.lent = Lent(hub.log)

    def configure(self, message: wire.Configure) -> None:
        """The workspace's settings (again): pools that it keeps are opened, those that nobody holds follow them."""
        self._hub.allowances.limit(message.max_executors, message.max_gpus, message.max_executor_hours)
        self._specs = {spec.name: spec for spec in message.pools}
        for name, spec in self._specs.items():
            if name != "session" and spec.min > 0 and name not in self.pools and not self._hub.closing:
                self._pool(spec, self._hub.place, kept=True).open()
        for room in self.pools.values():
            if room.kept and not room.clients:
                self._settle(room)
                room.move(self._hub.place)

    # ── what clients say ──

    def client_said(self, client: Client, message: wire.ClientToHub) -> None:
        """Every message of a client but the hello; what names a pool or a call that is over changes nothing."""
        match message:
            case wire.Submit():
                self._submit(client, message)
            case wire.Cancel(call=number):
                if (asked := client.asked.get(number)) is not None:
                    asked.cancel()
            case wire.Credit(call=number, upto=upto):
                if (asked := client.asked.get(number)) is not None:
                    asked.credit(upto)
            case wire.ActorCall(call=number):
                if (asked := client.asked.get(number)) is not None:
                    asked.act(message)
            case wire.ActorClose(call=number):
                if (asked := client.asked.get(number)) is not None:
                    asked.finish()
            case wire.Waits(calls=calls):
                self._hub.deadlocks.waits(client, calls)
            case wire.Stow():
                client.parts.stow(message)
            case wire.Drop(refs=digests):
                client.parts.drop(digests)
            case wire.Release(refs=refs):
                self._hub.keeps.release(client.holder, refs)
            case wire.Get() | wire.Spill() | wire.Put() | wire.Kept():
                self._about_object(client, message)
            case wire.Limit():
                if client.worker is None:  # what runs here does not bound itself
                    self._hub.allowances.limit(message.executors, message.gpus, message.hours)
            case wire.Blobs():
                if client.worker is None:
                    self._hub.executors.library.blobs(client, message)
            case wire.Publish():
                client.say(self._publish(client, message))
            case _:
                self._about_pool(client, message)

    def _publish(self, client: Client, message: wire.Publish) -> wire.Published:
        if client.worker is not None:
            return wire.Published(message.snapshot, "code is published by a program, not from inside of a call")
        answer = self._hub.executors.library.publish(client, message)
        if not answer.sentence:
            for room in [room for room in self.pools.values() if client in room.clients]:
                room.adopt(message.snapshot)
        return answer

    def owner_published(self, snapshot: bytes) -> None:
        """The pools of the workspace will be used with this code."""
        for room in list(self.pools.values()):
            if room.kept and not room.closed:
                room.adopt(snapshot)

    def _about_pool(self, client: Client, message: wire.ClientToHub) -> None:
        match message:
            case wire.OpenPool(id=number):
                room = self._open(client, message)
                client.say(room if isinstance(room, wire.Refused) else self._opened(client, number, room))
            case wire.Broadcast(call=number, pool=name):
                if (pool := self._room(client, name)) is not None:
                    pool.broadcast(client, message)
                else:
                    client.say(wire.BroadcastDone(number, [self._closed_end(number, name)]))
            case wire.Resize(id=number, pool=name):
                self._resize(client, message)
            case wire.Watch(pool=name, on=on):
                if (pool := self._room(client, name)) is not None:
                    pool.watchers.watch(client, on=on)
                elif on:
                    client.say(wire.PoolEvent(name, "closed", clock(), sentence="the pool is closed"))
            case wire.ClosePool():
                self._hub.spawn(self._close(client, message))
            case wire.GetFiles(id=number, pool=name):
                self._tell_files(client, number, name)
            case wire.ReadFile():
                self._read(client, message)
            case wire.GetStacks():
                self._tell_stacks(client, message)
            case wire.AskEnvironments(id=number):
                known = self._hub.executors.environments
                mine = {
                    name: known[name] for name, room in self.pools.items() if client in room.clients and name in known
                }
                client.say(wire.Environments(number, mine))
            case wire.GetPool(id=number, pool=name):
                found = self._room(client, name)
                client.say(wire.PoolStatus(number, found.state() if found else closed_state(name)))
            case _:
                pass  # said at the door, or taken by the client's own memory

    def _about_object(self, client: Client, message: wire.Get | wire.Spill | wire.Put | wire.Kept) -> None:
        """Of an object that a worker keeps, or that is to be kept here."""
        match message:
            case wire.Kept():
                own = self._executor_of(client)
                if own is not None and client.worker is not None and isinstance(own.resident, Staff):
                    self._hub.keeps.kept(own.resident.room, client.worker, message, ahead=True)
            case wire.Put(call=number, pool=name):
                room = self._room(client, name)
                if room is None:
                    client.say(self._closed_end(number, name))
                else:
                    room.objects.put(client, message)
            case wire.Get(call=number, ref=ref) | wire.Spill(call=number, ref=ref):
                entry = self._hub.keeps.find(ref, client.holder)
                if entry is None:
                    client.say(lost_end(number, self._hub.keeps.loss(ref)))
                elif isinstance(entry.room, PoolRoom):
                    entry.room.objects.asked(client, entry, message)

    def _home(self, client: Client, ref: bytes) -> PoolRoom | None:
        """The pool in which that object lives. Who holds the object may call there without having opened it."""
        entry = self._hub.keeps.find(ref, client.holder)
        return entry.room if entry is not None and isinstance(entry.room, PoolRoom) else None

    def _submit(self, client: Client, message: wire.Submit) -> None:
        if message.pin:
            pool = self._home(client, message.pin)
            if pool is None:
                client.say(lost_end(message.call, self._hub.keeps.loss(message.pin)))
                return
        else:
            pool = self._room(client, message.pool)
        if pool is not None:
            pool.submit(client, message)
        else:
            client.say(self._closed_end(message.call, message.pool))

    @staticmethod
    def _closed_end(number: int, pool: str) -> wire.CallDone:
        return wire.CallDone(number, "closed", sentence=f"the pool {pool!r} is closed", phase="queued", attempts=0)

    def _resize(self, client: Client, message: wire.Resize) -> None:
        room = self._room(client, message.pool)
        if room is None:
            client.say(wire.PoolOpened(message.id, message.pool, wire.PoolSpec(name=message.pool, max=0)))
            return
        wishes = {"min": message.min, "max": message.max, "buffer": message.buffer}
        given = {key: value for key, value in wishes.items() if value is not None}
        wanted = msgspec.structs.replace(room.spec, **given)
        if client.elsewhere and (why := borders.unreasonable(wanted)):
            client.say(self._refused(client, why))
            return
        room.adapt(wanted)
        client.say(self._opened(client, message.id, room))

    def _opened(self, client: Client, number: int, room: PoolRoom) -> wire.PoolOpened:
        near = client.near and room.spec.backend == borders.HERE
        return wire.PoolOpened(number, room.spec.name, room.spec, near)

    # ── files ──

    def _tell_files(self, client: Client, number: int, pool: str) -> None:
        """Of the pool, or ("") of all that the client holds."""
        rooms = [room for room in self.pools.values() if client in room.clients and pool in ("", room.spec.name)]
        names = {room.spec.name for room in rooms}
        files = self._hub.executors.files

        def mine(table: Table) -> bool:
            return table.executor.pool in names

        def answer() -> None:
            found, more = files.of(mine, client)
            lost = [file for room in rooms for file in room.lost_files]
            client.say(wire.Files(number, [*lost, *found], more))

        files.ask(mine, answer)

    def _read(self, client: Client, message: wire.ReadFile) -> None:
        """Only of executors of pools that the client holds."""
        files = self._hub.executors.files
        pool = files.pool_of(message.executor)
        if pool is None or self._room(client, pool) is None:
            sentence = f"there is no executor {message.executor!r} with files in a pool of this program"
            client.say(wire.FilePart(message.id, b"", 0, "", b"", sentence))
        else:
            files.read(client, message, client.say)

    def _tell_stacks(self, client: Client, message: wire.GetStacks) -> None:
        """Only of executors of pools that the client holds."""
        names = {room.spec.name for room in self.pools.values() if client in room.clients}
        mine = [
            one
            for one in self._hub.executors.all.values()
            if one.pool in names and message.pool in ("", one.pool) and message.executor in ("", one.id)
        ]
        self._hub.executors.stacks.ask(message.id, mine, {}, client.say)

    def files_written(self, executor: Executor, files: list[Known], more: int) -> None:
        """Whoever holds a pool with `outputs` is told at once."""
        room = self.pools.get(executor.pool)
        if room is not None and room.spec.outputs:
            for client in list(room.clients):
                client.say(wire.Files(0, [there(executor, known, client) for known in files], more))

    def files_lost(self, executor: Executor, files: list[Known], sentence: str) -> None:
        """These end with their executor: the pool's watchers hear it, and whoever asks for its files."""
        room = self.pools.get(executor.pool)
        if room is not None:
            room.watchers.tell("files_lost", executor.id, sentence)
            room.lost_files += [there(executor, known, None) for known in files]
            del room.lost_files[: -wire.MOST_FILES]

    # ── who holds which pool ──

    def _open(self, client: Client, message: wire.OpenPool) -> PoolRoom | wire.Refused:
        room = self.pools.get(message.spec.name)
        if room is not None and room.closed:
            room = None
        named = self._specs.get(message.spec.name)
        own = self._executor_of(client)
        settled = named or (room.spec if room else borders.at_home(message.spec, own) if own else message.spec)
        given = {name: getattr(message.spec, name) for name in message.given if name in FIELDS}
        wanted = msgspec.structs.replace(settled, **given)
        if "preload" not in given:
            wanted = msgspec.structs.replace(
                wanted, preload=list(dict.fromkeys([*wanted.preload, *message.spec.preload]))
            )
        if client.elsewhere and (why := borders.forbidden(wanted, own, settled)):
            return self._refused(client, why)
        # What a worker submits is pickled by its own Python, whatever the owner has chosen since.
        place = own.spec.place if own else self._hub.located(message.place or self._hub.place)
        if room is None:
            room = self._pool(wanted, place, kept=client.worker is not None or message.place is None)
        else:
            room.adapt(wanted)
            room.move(place)
        if client.worker is None:
            room.needs = message.needs or room.needs
        elif own is not None and own.there is not None:  # what this code sends is made by that Python
            room.needs = sent_from(own.there, room.needs or self._hub.needs_of(room.spec.backend, None))
        room.told_preload = "preload" in given or bool(named and named.preload)
        room.clients.add(client)
        room.open()
        return room

    def _refused(self, client: Client, why: str) -> wire.Refused:
        self._hub.log(f"a worker of {client.worker.executor if client.worker else '?'} was refused a pool: {why}")
        return wire.Refused(code="role", sentence=why, version=wire.VERSION, package=__version__)

    def _executor_of(self, client: Client) -> Executor | None:
        """The executor whose code this client is; None for a plain program."""
        return self._hub.executors.all.get(client.worker.executor) if client.worker else None

    def _pool(self, spec: wire.PoolSpec, place: wire.Place, *, kept: bool) -> PoolRoom:
        room = self.pools[spec.name] = PoolRoom(
            spec, place, self._hub, kept=kept, strategy=self.lent.find(spec.strategy)
        )
        self._hub.allowances.join(room)
        return room

    def _settle(self, room: PoolRoom) -> None:
        """Nobody holds this pool of the workspace: the settings alone say what it is (and keep nothing they do not name)."""
        room.left()
        room.adapt(self._specs.get(room.spec.name) or msgspec.structs.replace(room.spec, min=0, buffer=0))

    def _room(self, client: Client, name: str) -> PoolRoom | None:
        room = self.pools.get(name)
        return room if room is not None and client in room.clients else None

    async def _close(self, client: Client, message: wire.ClosePool) -> None:
        room = self._room(client, message.pool)
        if room is not None:
            await self._detach(client, room, cancel=message.cancel)
        client.say(wire.PoolClosedNow(message.id))

    async def _detach(self, client: Client, room: PoolRoom, *, cancel: bool) -> None:
        """The client leaves the pool. A pool of the workspace stays and shrinks by its own rules; a program's ends."""
        if cancel:
            room.forsaken(client)
        if room.kept:
            room.leave(client)
            if not room.clients:
                self._settle(room)
            return
        if room.clients - {client}:  # others have opened it too, perhaps a call of its own: it is theirs now
            room.leave(client)
            return
        self._ending.append(room)
        await room.close(cancel=cancel)
        self._ending.remove(room)
        room.leave(client)
        room.stop_timer()
        self._hub.allowances.leave(room)
        if self.pools.get(room.spec.name) is room:
            del self.pools[room.spec.name]

    def asker(self, call: str) -> Client | None:
        """The client from outside of this hub, a program, whose call led to this one."""
        while True:
            rooms = (*self.pools.values(), *self._ending)
            found = next((one for room in rooms if (one := room.call(call)) is not None), None)
            if found is None or found.client.worker is None:
                return found.client if found else None
            task = found.client.worker.task
            if task is None or not task.call:
                return None
            call = task.call

    def client_lost(self, client: Client) -> None:
        """It has hung up: its calls are nobody's."""
        self._hub.executors.library.left(client)
        client.parts.clear()
        self._hub.keeps.forget(client)
        for room in [room for room in self.pools.values() if client in room.clients]:
            self._hub.spawn(self._detach(client, room, cancel=True))


def closed_state(name: str) -> wire.PoolState:
    """What there is to say of a pool that is not there (any more)."""
    return wire.PoolState(
        name=name, backend="", executors=0, booting=0, busy=0, max=0, queued=0, why="the pool is closed"
    )
