#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

/*
 * unit - what every unit test starts with.  cmocka.h wants the five headers
 * before it and includes none of them itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* How many rows a table has. */
#define COUNT(table)	(sizeof (table) / sizeof (table)[0])

/*
 * For main(): run the array of struct CMUnitTest and print TAP.  The value is
 * the exit status.
 */
#define RUN(tests)							\
	(cmocka_set_message_output(CM_OUTPUT_TAP),			\
	    cmocka_run_group_tests(tests, NULL, NULL) != 0)

/*
 * Is it so?  If not, the test fails, named by a row of its table: what is
 * compared is said by fmt and what follows, as printf does.
 */
#define CHECK(so, ...)							\
	do {								\
		if (!(so)) {						\
			print_error("%s: ", #so);			\
			print_error(__VA_ARGS__);			\
			print_error("\n");				\
			fail();						\
		}							\
	} while (0)

#endif
