-- A client of miltertest(8), which is not ours: the protocol as somebody else
-- understands it.  The daemon runs at SOCKET with 192.0.2.1 on its list, and
-- with -markonly when MARK is "yes".

local function check(what, got, wanted)
	if got ~= wanted then
		error(what .. ": " .. tostring(got) .. ", not " ..
		    tostring(wanted))
	end
	mt.echo("ok " .. what)
end

local function connect(address)
	local c = mt.connect(SOCKET)
	check("connect from " .. address, c ~= nil, true)
	check("connection information", mt.conninfo(c, "host.example",
	    address), nil)
	return c
end

-- Who is not listed is let through at once, when nothing is to be marked.
local c = connect("198.51.100.1")
check("reply", mt.getreply(c), MARK == "yes" and SMFIR_CONTINUE or
    SMFIR_ACCEPT)
check("disconnect", mt.disconnect(c), nil)

c = connect("192.0.2.1")
check("reply", mt.getreply(c), SMFIR_CONTINUE)
if MARK ~= "yes" then
	check("no headers are wanted", mt.test_option(c, SMFIP_NOHDRS), true)
	check("no body is wanted", mt.test_option(c, SMFIP_NOBODY), true)
	check("HELO", mt.helo(c, "client.example"), nil)
	check("reply", mt.getreply(c), SMFIR_REPLYCODE)
	check("disconnect", mt.disconnect(c), nil)
	return
end

check("headers may be added", mt.test_action(c, SMFIF_ADDHDRS), true)
check("headers may be changed", mt.test_action(c, SMFIF_CHGHDRS), true)
check("HELO", mt.helo(c, "client.example"), nil)
check("queue id", mt.macro(c, SMFIC_MAIL, "i", "q1"), nil)
check("MAIL", mt.mailfrom(c, "<joe@client.example>"), nil)
check("RCPT", mt.rcptto(c, "<alice@example.test>"), nil)
check("header", mt.header(c, "Subject", "test"), nil)
check("forged header", mt.header(c, "X-IP-Blacklisted", "no"), nil)
check("end of message", mt.eom(c), nil)
check("reply", mt.getreply(c), SMFIR_CONTINUE)
check("header added", mt.eom_check(c, MT_HDRADD, "X-IP-Blacklisted", "list"),
    true)
check("header deleted", mt.eom_check(c, MT_HDRDELETE, "X-IP-Blacklisted"),
    true)
check("body unchanged", mt.eom_check(c, MT_BODYCHANGE), false)
check("not quarantined", mt.eom_check(c, MT_QUARANTINE), false)
check("disconnect", mt.disconnect(c), nil)
