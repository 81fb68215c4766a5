"""A session with the official SDK over HTTP: two clients, a call with progress, a mode of one's own."""

import asyncio
import sys

import mcp.types as types
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

URL, TOKEN, LOGS = sys.argv[1:4]


def connect():
    return streamablehttp_client(URL, headers={"Authorization": f"Bearer {TOKEN}"})


async def main():
    async with connect() as (read, write, _), ClientSession(read, write) as session:
        begun = await session.initialize()
        assert begun.serverInfo.name == "vmwright", begun
        names = [tool.name for tool in (await session.list_tools()).tools]
        assert "analyze" in names and "apply" not in names, names
        print("listed")

        seen = []

        async def follow(progress, total, message):
            seen.append(progress)

        result = await session.call_tool("analyze", {"from": [LOGS]}, progress_callback=follow)
        assert result.structuredContent["result"]["causes"][0]["rule"] == "storage/image-locked", result
        assert seen and seen == sorted(seen), seen
        print("followed")

        step = {"step": "the disk is in use", "step_number": 1, "total_steps": 1, "next_step_required": False,
                "findings": "", "from": [LOGS]}
        result = await session.call_tool("debug", step)
        assert result.structuredContent["result"]["state"] == "settled", result
        print("investigated")

        async with connect() as (read, write, _), ClientSession(read, write) as other:
            await other.initialize()
            assert not (await other.call_tool("look_up", {"rule": "0x7B"})).isError
        assert isinstance(await session.send_ping(), types.EmptyResult)
        print("apart")


asyncio.run(main())
