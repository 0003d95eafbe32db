#include "commands.h"
#include "session.h"

static int
command_test(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct session_conf *conf = arg;

	(void)argc;
	if (judge_explain(conf->judge, answer->out, conf->deadline, argv[1],
	    argv[2], argv[3], conf->authserv_id != NULL ? conf->authserv_id :
	    "localhost") == -1)
		return control_error(answer, "not an IP address: %.60s",
		    argv[1]);
	return 0;
}

static int
command_flush(struct control_answer *answer, int argc, char **argv, void *arg)
{
	const struct session_conf *conf = arg;

	(void)answer;
	(void)argc;
	(void)argv;
	resolver_flush(conf->judge->resolver);
	return 0;
}

const struct control_command commands[] = {
	{ "test", "CLIENT HELO SENDER", 3, 3, command_test,
	    "what would be done with this mail, and why" },
	{ "flush", "", 0, 0, command_flush,
	    "forget all answers of the DNS" },
	{ .name = NULL }
};
