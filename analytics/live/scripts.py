"""The live view's Lua scripts. The header of each file documents its keys, arguments, reply and writes."""

from pathlib import Path

from cachecore.redis_client.scripts import Script

_LUA = Path(__file__).parent / "lua"

apply_games = Script(_LUA / "apply_games.lua")
mark_pending = Script(_LUA / "mark_pending.lua")
put_series = Script(_LUA / "put_series.lua")
swap_view = Script(_LUA / "swap_view.lua")
take_token = Script(_LUA / "take_token.lua")
trim_view = Script(_LUA / "trim_view.lua")
