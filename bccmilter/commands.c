#include "commands.h"
#include "reply.h"
#include "session.h"
#include "why.h"

static int
command_test(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct session_conf *conf = arg;
	const struct why_recipients to = { argv + 1, 1 };

	(void)argc;
	why_addresses(conf->judge, answer->out, argv[2], &to,
	    action_word((enum action)conf->action));
	return 0;
}

const struct control_command commands[] = {
	{ "test", "RECIPIENT ADDRESSES", 2, 2, command_test,
	    "what would be done with mail for one, with these in To" },
	{ .name = NULL }
};
