-- Holds a request while the server "hold" of the backend "watership_hold" is in service, a minute at most.
core.register_action("watership_hold", { "http-req" }, function()
    local hold = core.backends["watership_hold"].servers["hold"]
    local left = 60000
    while left > 0 and hold:get_stats()["status"] ~= "MAINT" do
        core.msleep(20)
        left = left - 20
    end
end)
