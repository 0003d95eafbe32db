#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

#define SECONDS_MAX	(7 * 86400L)

static int
say_on(struct control_answer *answer, struct emergency *e,
    const char *text)
{
	char *end;
	long seconds = e->seconds;

	if (text != NULL) {
		errno = 0;
		seconds = strtol(text, &end, 10);
		if (errno != 0 || end == text || *end != '\0' ||
		    seconds < 1 || seconds > SECONDS_MAX)
			return control_error(answer,
			    "not a number of seconds from 1 to %ld: %.60s",
			    SECONDS_MAX, text);
	}
	emergency_say(e, seconds);
	return 0;
}

static int
command_emergency(struct control_answer *answer, int argc, char **argv,
    void *arg)
{
	const struct session_conf *conf = arg;
	struct emergency *e = conf->judge->emergency;
	const char *text = argc > 2 ? argv[2] : NULL;

	if (argc > 1 && strcmp(argv[1], "on") == 0) {
		if (say_on(answer, e, text) == -1)
			return -1;
	} else if (argc == 2 && strcmp(argv[1], "off") == 0)
		emergency_say(e, 0);
	else if (argc > 1)
		return control_error(answer, "not on [SECONDS] or off");
	fprintf(answer->out, "emergency: %s", emergency_word(
	    emergency_why(e)));
	if (emergency_left(e) > 0)
		fprintf(answer->out, ", %ld seconds left",
		    emergency_left(e));
	fprintf(answer->out, "\n");
	return 0;
}

const struct control_command commands[] = {
	{ "emergency", "[on [SECONDS] | off]", 0, 2, command_emergency,
	    "refuse attachments unseen, or no more; is it so?" },
	{ .name = NULL }
};
