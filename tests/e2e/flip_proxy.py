"""A proxy in front of a relay that changes one bit of one slice on the way to a relay, and nothing else."""
import asyncio
import threading

HELLO, SLICE = 0x01, 0x08
ROLE_OFFSET = 8 + 12          # frame header, then HELLO's role
ROLE_RELAY = 2
FRAME_HEADER, SLICE_HEADER = 8, 8


def message_at(buffer):
    """(header length, payload length, mask) of the WebSocket frame at the start of the buffer, or nothing yet."""
    if len(buffer) < 2:
        return None
    length, at = buffer[1] & 0x7F, 2
    if length >= 126:
        width = 2 if length == 126 else 8
        if len(buffer) < at + width:
            return None
        length, at = int.from_bytes(buffer[at:at + width], "big"), at + width
    mask = b""
    if buffer[1] & 0x80:
        if len(buffer) < at + 4:
            return None
        mask, at = bytes(buffer[at:at + 4]), at + 4
    return (at, length, mask) if len(buffer) >= at + length else None


class FlipProxy:
    """Runs in its own thread; `arm()` makes it flip one bit in the next slice that goes to a relay."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.armed = False
        self.flipped = 0
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait(5)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()

    def arm(self):
        self.armed = True

    def close(self):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    async def end(self):
        self.server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        peer = {"relay": False}
        await asyncio.gather(self.pump(reader, up_writer, lambda data: self.watch_hello(peer, data)),
                             self.pump(up_reader, writer, lambda data: self.change(peer, data)), return_exceptions=True)

    async def pump(self, reader, writer, transform):
        """Passes the HTTP upgrade on, then whole WebSocket messages."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            buffer = bytearray()
            while data := await reader.read(65536):
                buffer += data
                while (found := message_at(buffer)) is not None:
                    at, length, mask = found
                    message = bytearray(buffer[:at + length])
                    del buffer[:at + length]
                    payload = memoryview(message)[at:]
                    transform((payload, mask))
                    payload.release()
                    writer.write(message)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def watch_hello(self, peer, data):
        payload, mask = data
        if len(payload) > ROLE_OFFSET and mask and payload[0] ^ mask[0] == HELLO:
            peer["relay"] = payload[ROLE_OFFSET] ^ mask[ROLE_OFFSET % 4] == ROLE_RELAY

    def change(self, peer, data):
        payload, _ = data
        at = 0
        while peer["relay"] and self.armed and at + FRAME_HEADER <= len(payload):
            length = int.from_bytes(payload[at + 4:at + 8], "big")
            if payload[at] == SLICE and length > SLICE_HEADER + 100:
                payload[at + FRAME_HEADER + SLICE_HEADER + 50] ^= 0x10
                self.armed = False
                self.flipped += 1
            at += FRAME_HEADER + length
