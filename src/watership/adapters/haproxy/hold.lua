-- Holds requests while a pause is in force, as its agent said: until when it lasts, and how long each may wait.
-- The pause ends by itself, whether or not the agent lives.
local MOST = 1000 -- requests held at a time
local pause = { ends = 0, patience = 20 }
local seen = { begun = false, waiting = 0, held = 0, told = 0, longest = 0, first = 0, last = 0 }

local function now()
    local at = core.now()
    return at.sec + at.usec / 1000000
end

local function turned_away(txn)
    seen.told = seen.told + 1
    txn:set_var("txn.watership_retry", math.ceil(math.max(1, pause.ends - now())))
end

core.register_action("watership_hold", { "http-req" }, function(txn)
    local came = now()
    if came >= pause.ends then
        return
    end
    if seen.waiting >= MOST then
        turned_away(txn)
        return
    end
    seen.waiting = seen.waiting + 1
    seen.held = seen.held + 1
    if seen.first == 0 then
        seen.first = came
    end
    while now() < pause.ends and now() - came < pause.patience do
        core.msleep(20)
    end
    local left = now()
    seen.waiting = seen.waiting - 1
    seen.longest = math.max(seen.longest, left - came)
    seen.last = math.max(seen.last, left)
    if left < pause.ends then
        turned_away(txn)
    end
end)

-- "watership pause SECONDS PATIENCE" begins one, or lets it last for so long from now on; 0 seconds end it.
core.register_cli({ "watership", "pause" }, "watership pause SECONDS PATIENCE", function(applet, _, _, seconds, patience)
    local at = now()
    if at >= pause.ends and tonumber(seconds) > 0 then
        seen = { begun = true, waiting = seen.waiting, held = seen.waiting, told = 0, longest = 0, first = 0, last = 0 }
    end
    pause = { ends = tonumber(seconds) > 0 and at + seconds or 0, patience = tonumber(patience) }
end)

-- "watership held" tells what the last pause came to: seconds left, then the counts of `seen`.
core.register_cli({ "watership", "held" }, "watership held", function(applet)
    local first = seen.first > 0 and seen.first or seen.last
    applet:send(string.format("held %d %.3f %d %d %d %.3f %.3f\n", seen.begun and 1 or 0, math.max(0, pause.ends - now()),
        seen.waiting, seen.held, seen.told, seen.longest, math.max(0, seen.last - first)))
end)
