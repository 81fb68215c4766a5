"""A session with the official SDK: lists, calls, follows, cancels, fails, changes the mode."""

import asyncio
import os
import sys

import anyio
import mcp.types as types
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import McpError

PROGRAM, LOGS = sys.argv[1:3]


async def main():
    server = StdioServerParameters(command=PROGRAM, args=["mcp"], env=dict(os.environ))
    changed = anyio.Event()

    async def message(what):
        if isinstance(what, types.ServerNotification) and isinstance(what.root, types.ToolListChangedNotification):
            changed.set()

    async with stdio_client(server) as (read, write), ClientSession(read, write, message_handler=message) as session:
        begun = await session.initialize()
        assert begun.serverInfo.name == "vmwright", begun

        tools = (await session.list_tools()).tools
        names = [tool.name for tool in tools]
        assert "analyze" in names and "apply" not in names, names
        assert all(tool.outputSchema and tool.annotations for tool in tools)
        assert [prompt.name for prompt in (await session.list_prompts()).prompts] == ["analysis", "implementation", "review"]
        assert (await session.list_resources()).resources
        print("listed")

        # The SDK checks the structured content against the output schema.
        for tool, arguments in [
            ("analyze", {"from": [LOGS], "complaint": "it does not start"}),
            ("analyze", {"from": [LOGS], "detail": "all"}),
            ("analyze", {"dry_run": True}),
            ("debug", {"step": "the disk is in use", "step_number": 1, "total_steps": 2, "next_step_required": True,
                       "findings": "", "from": [LOGS]}),
            ("thinkdeep", {"step": "why", "step_number": 2, "total_steps": 2, "next_step_required": False, "findings": "x"}),
            ("look_up", {"rule": "vfio/code-43"}),
            ("look_up", {}),
            ("look_up", {"look": "list"}),
            ("look_up", {"look": "schema"}),
            ("process_thoughts", {"technical_insights": "a lock", "project_notes": "a note"}),
            ("search_journal", {"query": "lock"}),
            ("list_recent_entries", {}),
            ("read_journal_entry", {"path": "1"}),
            ("sequentialthinking", {"thought": "0x7B", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}),
        ]:
            result = await session.call_tool(tool, arguments)
            assert not result.isError, (tool, result)
            assert result.structuredContent and result.content, (tool, result)
        causes = (await session.call_tool("analyze", {"from": [LOGS]})).structuredContent["result"]["causes"]
        assert causes[0]["rule"] == "storage/image-locked", causes
        assert "untrusted" in causes[0]["evidence"][0]["quote"], causes
        print("called")

        seen = []

        async def follow(progress, total, message):
            seen.append((progress, message))

        await session.call_tool("analyze", {"from": [LOGS]}, progress_callback=follow)
        assert seen and seen == sorted(seen), seen
        print("followed")

        # The SDK numbers its requests; the next one is this.
        number = session._request_id
        call = asyncio.ensure_future(session.call_tool("analyze", {}))
        await anyio.sleep(0.2)
        await session.send_notification(
            types.ClientNotification(
                types.CancelledNotification(
                    method="notifications/cancelled",
                    params=types.CancelledNotificationParams(requestId=number, reason="enough"),
                )
            )
        )
        done, _ = await asyncio.wait([call], timeout=5)
        if done:
            call.exception()
        call.cancel()
        assert not (await session.call_tool("look_up", {"rule": "0x7B"})).isError
        print("cancelled")

        result = await session.call_tool("analyze", {"complain": "x"})
        assert result.isError and "complaint" in result.content[0].text, result
        try:
            await session.call_tool("apply", {})
            raise AssertionError("apply exists")
        except McpError as error:
            assert "IMPLEMENTATION" in str(error), error
        print("failed")

        await session.call_tool("enter_mode", {"mode": "analysis", "challenge": "why"})
        with anyio.fail_after(30):
            await changed.wait()
        print("changed")


anyio.run(main)
