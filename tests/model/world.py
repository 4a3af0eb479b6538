"""A world in which everything that can go wrong does, one step at a time: tabs, wires, server processes.

Nothing in it runs by itself. A step is a tuple: its name, then what it is about; `steps` lists those that are possible
now, and `step` takes one. So an example is a list of steps, whoever chose them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quart_stash.core import events as e
from quart_stash.core import frames
from quart_stash.core import stimuli as s
from quart_stash.core.client import Client, State
from quart_stash.core.connection import State as Server

from .oracle import Broken, Oracle
from .server import Down, End, Process, content

__all__ = ["Step", "Tab", "Wire", "World"]

Step = tuple[Any, ...]
Recorder = Callable[[Client, Any, Callable[[], list[s.Effect]]], list[s.Effect]]


def _unrecorded(_: Client, __: Any, apply: Callable[[], list[s.Effect]]) -> list[s.Effect]:
    return apply()


@dataclass
class Wire:
    """One connection: what is on its way in both directions, and the server's end.

    Attributes:
        up: frames of the client; `None` is the end.
        down: what the server said; a number is the end, with this code.
        heard: whether the tab still listens.
    """

    tab: Tab
    conn: int
    process: Process
    up: deque[s.Up | None] = field(default_factory=deque)
    down: deque[Down] = field(default_factory=deque)
    heard: bool = True
    end: End = field(init=False)

    def __post_init__(self) -> None:
        self.end = End(self.process, self.down.append)

    def key(self) -> tuple[Any, ...]:
        """Return what tells it from others."""
        queues = tuple(tuple(map(_text, queue)) for queue in (self.up, self.down))
        return (self.tab.number, self.conn, self.process.number, self.heard, queues, self.end.key())


@dataclass
class Tab:
    """One tab of a browser.

    Attributes:
        client: the machine.
        stored: its slot in storage.
        oracle: what must be true of it.
        dialing: whether a connection is to be opened.
        hooks: the connection whose drain hooks run.
        deadline: the connection whose drain has a deadline.
    """

    number: int
    client: Client = field(default_factory=Client)
    stored: s.Slot | None = None
    oracle: Oracle = field(default_factory=Oracle)
    dialing: bool = True
    hooks: int | None = None
    deadline: int | None = None
    conns: int = 0
    sent: int = 0

    def key(self) -> tuple[Any, ...]:
        """Return what tells it from others."""
        client, oracle = self.client, self.oracle
        outbox = tuple((entry.data, entry.secret, entry.strikes) for entry in client.outbox.after())
        return (
            (client.state, client.conn, client.next, client.token, client.fork, client.wired, client.delay),
            (client._taken, client._deferred, client._copied, client.outbox.received, outbox),
            (self.stored, self.dialing, self.hooks, self.deadline, self.conns, self.sent),
            (tuple(oracle.log), tuple(oracle.told), oracle.over),
        )


def _text(item: s.Up | Down | None) -> str | bytes | int | None:
    return item if item is None or isinstance(item, str | bytes | int) else frames.encode(item)


class World:
    """Tabs, wires and processes, and the guarantee that they are held to.

    Args:
        tabs: how many.
        hears_retired: whether a tab still hears a connection that it has left to its server. The script does not; so
            the machine is tried on more, and there are far more states.

    Attributes:
        now: seconds.
        keys: for each view id and number, the message that a handler was given under that idempotency key.
        lineages: for each view id, the view that it and all its copies come from.
    """

    recorder: Recorder = staticmethod(_unrecorded)
    """Sees each event that a client's machine is given."""

    def __init__(self, tabs: int = 1, *, hears_retired: bool = True) -> None:
        self.hears_retired = hears_retired
        self.now = 1_700_000_000.0
        self.processes: list[Process] = [Process(1, ("k1",), 1)]
        self.tabs: list[Tab] = [Tab(number) for number in range(tabs)]
        self.wires: list[Wire] = []
        self.keys: dict[tuple[str, int], str] = {}
        self.lineages: dict[str, str] = {}
        self.views = 0

    def prune(self) -> None:
        """Forget what nobody hears any more, and connections on which nothing can happen."""
        for wire in self.wires:
            if not wire.heard:
                wire.down.clear()
            if wire.end.ended or not wire.process.up:
                wire.up.clear()
        self.wires = [wire for wire in self.wires if wire.heard or wire.up or self._moves(wire)]

    def key(self) -> tuple[Any, ...]:
        """Return what tells this state of the world from others."""
        return (
            self.now,
            tuple((one.keys, one.version, one.up, one.draining) for one in self.processes),
            tuple(tab.key() for tab in self.tabs),
            tuple(wire.key() for wire in self.wires),
        )

    # Steps.

    def step(self, step: Step) -> None:
        """Take one step, and check what must be true after each.

        Raises:
            Broken: the guarantee does not hold.
        """
        name, *about = step
        getattr(self, f"_{name}")(*about)
        for tab in self.tabs:
            self._check(tab)

    def steps(self) -> list[Step]:
        """Return the steps that are no fault, and that are possible now."""
        found: list[Step] = []
        for index, tab in enumerate(self.tabs):
            if tab.client.state is State.OVER:
                continue
            if tab.dialing:
                found += [("dial", index, process.number) for process in self.processes if process.up]
                found.append(("dial", index, 0))
            if tab.hooks is not None:
                found.append(("hooks", index))
            if tab.deadline is not None and tab.deadline == tab.client.conn:
                found.append(("deadline", index))
        for index, wire in enumerate(self.wires):
            found += [(name, index) for name in self._moves(wire)]
        return found

    def _moves(self, wire: Wire) -> list[str]:
        end = wire.end
        alive = wire.process.up and not end.ended
        return [
            name
            for name, possible in (
                ("up", bool(wire.up)),
                ("down", bool(wire.down)),
                ("judge", alive and end.mount is not None),
                ("take", alive and end.asked and bool(end.machine.inbox)),
                ("work", alive and end.works and not end.machine.over),
                ("seal", alive and end.due and not end.machine.over),
            )
            if possible
        ]

    # What the page and its browser do.

    def _send(self, index: int, kind: str) -> None:
        tab = self.tabs[index]
        if tab.client.state is State.OVER:
            return
        tab.sent += 1
        data = f"{kind}{tab.number}.{tab.sent}"
        tab.oracle.send(data)
        self._tell(tab, s.Send(data, kind == "s"))

    def _dial(self, index: int, number: int) -> None:
        """An attempt to connect comes to its end: with this process, or with none (0)."""
        tab = self.tabs[index]
        tab.dialing = False
        tab.conns += 1
        process = next((one for one in self.processes if one.number == number and one.up), None)
        if process is None or process.draining:
            self._tell(tab, s.End(tab.conns, 1006))
            return
        self.wires.append(Wire(tab, tab.conns, process))
        self._tell(tab, s.Open(tab.conns))

    def _hooks(self, index: int) -> None:
        tab = self.tabs[index]
        conn, tab.hooks = tab.hooks, None
        if conn is not None:
            self._tell(tab, s.Hooks(conn))

    def _deadline(self, index: int) -> None:
        tab = self.tabs[index]
        conn, tab.deadline = tab.deadline, None
        if conn is not None:
            self._tell(tab, s.Deadline(conn))

    def _silence(self, index: int) -> None:
        """The client gives up a connection that has gone silent; what is on its way may still arrive."""
        tab = self.tabs[index]
        conn = tab.client.conn
        if conn is not None:
            self._hang_up(tab, conn)
            self._tell(tab, s.End(conn, 4000, now=self.now * 1000))

    def _sleep(self, index: int) -> None:
        """The page goes into the browser's cache, and comes back."""
        tab = self.tabs[index]
        if tab.client.state is not State.OVER:
            self._tell(tab, s.Park())
            tab.dialing = True

    def _reload(self, index: int) -> None:
        """The page is loaded anew."""
        self._tell(self.tabs[index], s.Park())
        self._crash_tab(index)

    def _crash_tab(self, index: int) -> None:
        """The tab dies, and is loaded anew from what it had stored."""
        tab = self.tabs[index]
        if tab.client.state is State.OVER:
            return
        for wire in self.wires:
            if wire.tab is tab:
                self._hang_up(tab, wire.conn)
        tab.client = Client(tab.stored)
        tab.dialing, tab.hooks, tab.deadline = True, None, None
        if tab.client.outbox.sent != len(tab.oracle.log):
            raise Broken(f"storage knows {tab.client.outbox.sent} messages of {len(tab.oracle.log)}")
        for entry in tab.client.outbox.after():
            if entry.data is None:  # a secret; those given up are `None` in the log already
                tab.oracle.log[entry.number - 1] = None

    def _duplicate(self, index: int) -> None:
        """The tab is duplicated, with its storage; the copy finds out that it is one."""
        old = self.tabs[index]
        if old.client.state is State.OVER:
            return
        tab = Tab(len(self.tabs), Client(old.stored), old.stored)
        covered = 0 if old.stored is None or old.stored.token is None else old.stored.received
        tab.oracle = Oracle(old.oracle.log[:covered], list(old.oracle.told))
        self.tabs.append(tab)
        self._tell(tab, s.Fork())

    # What the network does.

    def _up(self, index: int) -> None:
        wire = self.wires[index]
        frame = wire.up.popleft()
        end = wire.end
        if not wire.process.up or end.ended:
            return
        if frame is None:
            end.apply(e.Gone(), self.now)
        elif isinstance(frame, str | bytes):
            end.apply(e.Received(frame), self.now)
        else:
            end.apply(frames.parse_control(frames.encode(frame)), self.now)

    def _down(self, index: int) -> None:
        wire = self.wires[index]
        item = wire.down.popleft()
        if not wire.heard:
            return
        if isinstance(item, int):
            wire.heard = False
            self._tell(wire.tab, s.End(wire.conn, item, now=self.now * 1000))
        else:
            self._hear(wire.tab, wire.conn, item)

    def _cut(self, index: int) -> None:
        """The cable is cut: what is on its way is gone, and each side finds out some time."""
        wire = self.wires[index]
        wire.up = deque([None])
        wire.down.clear()
        wire.down.append(1006)

    # What servers do.

    def _judge(self, index: int) -> None:
        self.views += 1
        end = self.wires[index].end
        end.judge(f"v{self.views}", self.now)
        if end.view_id and self.lineages.setdefault(end.view_id, end.lineage) != end.lineage:
            raise Broken(f"{end.view_id} is of {self.lineages[end.view_id]} and of {end.lineage}")
        if end.lineage and self.lineages.get(end.lineage) != end.lineage:
            raise Broken(f"{end.view_id} comes from {end.lineage}, which is a copy itself")

    def _take(self, index: int) -> None:
        end = self.wires[index].end
        message = end.take()
        if message is not None:
            given = self.keys.setdefault((end.view_id, message.number), str(message.data))
            if given != message.data:
                raise Broken(f"{message.data} and {given} have one key, {end.view_id}:{message.number}")

    def _work(self, index: int) -> None:
        wire = self.wires[index]
        room = [other.end for other in self.wires if other.process is wire.process and other.end.present]
        wire.end.work(self.now, [end for end in room if end is not wire.end])

    def _seal(self, index: int) -> None:
        self.wires[index].end.seal(self.now)

    def _renew(self, index: int) -> None:
        """A token is sealed anew at half its age, whether or not something has changed."""
        end = self.wires[index].end
        if not end.ended and end.asked:
            end.sealed = None
            end.seal(self.now)

    def _start(self, keys: tuple[str, ...], version: int) -> None:
        """A process is started."""
        self.processes.append(Process(len(self.processes) + 1, keys, version))

    def _crash(self, number: int) -> None:
        """A process is gone without a word; what it had sent may still arrive."""
        process = self.processes[number - 1]
        process.up = False
        for wire in self.wires:
            if wire.process is process and not wire.end.ended:
                wire.down.append(1006)

    def _drain(self, number: int) -> None:
        """A process is told to leave."""
        process = self.processes[number - 1]
        process.draining = True
        for wire in self.wires:
            if wire.process is process and process.up:
                wire.end.apply(e.StartDrain("d1", 9000, 200), self.now)

    def _hand_over(self, index: int) -> None:
        """One view is handed over, while its process stays."""
        self.wires[index].end.apply(e.StartDrain("d2", 9000, 200), self.now)

    def _overflow(self, index: int) -> None:
        """A handler is too slow: what comes from now on finds no room."""
        end = self.wires[index].end
        if end.machine.state in (Server.LIVE, Server.DRAINING, Server.FLUSHED, Server.HANDED):
            end.apply(e.Overflow(), self.now)

    def _expire(self, number: int) -> None:
        """The time for a process's drain is up: nothing of it may be left."""
        process = self.processes[number - 1]
        for wire in self.wires:
            if wire.process is process and process.up:
                wire.end.apply(e.Deadline(), self.now)
                if not wire.end.ended:
                    raise Broken("a connection has outlived the drain")
        process.up = False

    def _wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    # What the client's machine wants.

    def _tell(self, tab: Tab, stimulus: s.Stimulus) -> None:
        self._carry(tab, self.recorder(tab.client, stimulus, lambda: tab.client.handle(stimulus)))

    def _hear(self, tab: Tab, conn: int, frame: s.Down) -> None:
        finished = isinstance(frame, frames.Finished) and conn == tab.client.conn
        covered = frame.received if isinstance(frame, frames.Finished) else tab.client.outbox.received
        held = tab.oracle.held(covered)
        effects = self.recorder(tab.client, (conn, frame), lambda: tab.client.receive(conn, frame))
        said = [
            effect.detail["messages"]
            for effect in effects
            if isinstance(effect, s.Page) and effect.event == "lost"
        ]
        if tab.client.outbox.sent < len(tab.oracle.log) or finished:
            # It counts anew, or not any more: what it held is dropped.
            tab.oracle.over = finished
            tab.oracle.loses(held, said[0] if said else [])
            if not tab.oracle.over:
                tab.oracle.log, tab.oracle.told = [None] * tab.client.outbox.received, []
        elif said:
            raise Broken(f"told that {said} are lost, and they are not")
        self._carry(tab, effects)

    def _carry(self, tab: Tab, effects: list[s.Effect]) -> None:
        for effect in effects:
            match effect:
                case s.Frame(conn, frame):
                    self._put(tab, conn, frame)
                case s.OpenLater():
                    tab.dialing = True
                case s.Mount(conn):
                    self._tell(tab, s.Connect(conn, now=self.now * 1000))
                case s.SetDeadline(conn):
                    tab.deadline = conn
                case s.Retire(conn) if (
                    self.hears_retired
                ):  # what it still says is void, and the machine has to know
                    self._put(tab, conn, None)
                case s.Close(conn) | s.Retire(conn):
                    self._hang_up(tab, conn)
                case _:
                    self._show(tab, effect)

    def _show(self, tab: Tab, effect: s.Effect) -> None:
        """Do what concerns the page and its storage."""
        match effect:
            case s.Store():
                tab.stored = tab.client.slot()
            case s.Forget():
                tab.stored = None
            case s.Over(code, reason):
                if code != 1000:
                    raise Broken(f"the view is over: {code} {reason}")
            case s.Page("drain", detail):
                tab.hooks = detail["conn"]
            case s.Page("failed", detail):
                tab.oracle.failed(detail["number"], given_up="data" in detail)

    def _put(self, tab: Tab, conn: int, frame: s.Up | None) -> None:
        if (
            isinstance(frame, str)
            and (tab.stored is None or frame not in tab.stored.outbox)
            and frame[0] != "s"
        ):
            raise Broken(f"{frame} is on the wire before it is in storage")
        for wire in self.wires:
            if wire.tab is tab and wire.conn == conn and wire.heard:
                wire.up.append(frame)

    def _hang_up(self, tab: Tab, conn: int) -> None:
        for wire in self.wires:
            if wire.tab is tab and wire.conn == conn and wire.heard:
                wire.heard = False
                wire.down.clear()
                wire.up.append(None)

    # What must be true.

    def _check(self, tab: Tab) -> None:
        client = tab.client
        if client.token is not None:
            _, received, words = content(client.token)
            if received != client.outbox.received:
                raise Broken(f"the token covers {received}, the outbox begins after {client.outbox.received}")
            tab.oracle.check_token(received, words)
        if client.state is not State.OVER and client.outbox.sent != len(tab.oracle.log):
            raise Broken(f"{client.outbox.sent} messages are numbered, {len(tab.oracle.log)} were sent")

    def settle(self, rounds: int = 60) -> None:
        """No more faults: everything arrives, and everybody does what there is to do. Then check the whole.

        Raises:
            Broken: the guarantee does not hold.
        """
        self._start(("k2", "k1"), 2)
        self.rest(len(self.processes), rounds)
        for process in self.processes:
            if process.draining and process.up:
                self._check_drained(process)
        for tab in self.tabs:
            self._check_end(tab)

    def rest(self, fitting: int, rounds: int = 60) -> None:
        """Let everything happen that is to happen; tabs that dial get through to this process.

        Raises:
            Broken: there is no end to it, or the guarantee does not hold.
        """
        for _ in range(rounds):
            if not self._settle_once(fitting):
                return
        raise Broken("it never comes to rest")

    def _settle_once(self, fitting: int) -> bool:
        """Let everything happen that is to happen. Returns whether there was something."""
        moved = False
        for index, tab in enumerate(self.tabs):
            if tab.client.state is not State.OVER and tab.dialing:
                self.step(("dial", index, fitting))
                moved = True
            if tab.hooks is not None:
                self.step(("hooks", index))
                moved = True
        for index in range(len(self.wires)):
            while moves := self._moves(self.wires[index]):
                self.step((moves[0], index))
                moved = True
        return moved

    def _check_drained(self, process: Process) -> None:
        """A drain ends by itself where nothing is lost any more."""
        for wire in self.wires:
            if wire.process is process and not wire.end.ended:
                raise Broken(f"a drain does not end: {wire.end.machine.state}")

    def _check_end(self, tab: Tab) -> None:
        if tab.oracle.over:
            return
        if tab.client.state is not State.LIVE:
            raise Broken(f"tab {tab.number} rests in {tab.client.state}")
        wire = next(wire for wire in self.wires if wire.tab is tab and wire.conn == tab.client.conn)
        tab.oracle.check_end(wire.end.machine.received, wire.end.words)
        if tab.client.outbox.after():
            raise Broken("the last token does not cover everything")
