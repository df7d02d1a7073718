/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks: room, a guard below, and back into the pool. */
#include <sys/wait.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base.h"

#include "child/stack.h"

static void
all_of_a_stack_can_be_written(void **state)
{
	struct stack_pool pool = { .free = NULL };
	char *stack = stack_get(&pool);

	(void)state;
	assert_non_null(stack);
	(void)memset(stack, 0x5a, STACK_BYTES);
	stack_put(&pool, stack);
	stack_put(&pool, NULL);
	assert_int_equal(pool.nfree, 1);
	stack_pool_fini(&pool);
	assert_int_equal(pool.nfree, 0);
}

static void
a_byte_below_it_is_a_fault(void **state)
{
	struct stack_pool pool = { .free = NULL };
	char *stack = stack_get(&pool);
	int status;
	pid_t pid;

	(void)state;
	assert_true(stack_is_overrun(stack, stack - 1));
	assert_false(stack_is_overrun(stack, stack));
	assert_false(stack_is_overrun(stack, stack - 1 - getpagesize()));
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		*(volatile char *)(stack - 1) = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	stack_put(&pool, stack);
	stack_pool_fini(&pool);
}

static void
the_last_one_given_back_is_the_next_one_taken(void **state)
{
	struct stack_pool pool = { .free = NULL };
	void *a = stack_get(&pool), *b = stack_get(&pool);

	(void)state;
	assert_ptr_not_equal(a, b);
	stack_put(&pool, a);
	stack_put(&pool, b);
	assert_ptr_equal(stack_get(&pool), b);
	assert_ptr_equal(stack_get(&pool), a);
	stack_put(&pool, a);
	stack_put(&pool, b);
	stack_pool_fini(&pool);
}

static void
what_is_kept_after_a_burst_has_a_limit(void **state)
{
	struct stack_pool pool = { .free = NULL };
	void *stacks[200];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(stacks); i++)
		assert_non_null(stacks[i] = stack_get(&pool));
	for (i = 0; i < nitems(stacks); i++)
		stack_put(&pool, stacks[i]);
	assert_int_equal(pool.nfree, 128);
	stack_pool_fini(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_stack_can_be_written),
		cmocka_unit_test(a_byte_below_it_is_a_fault),
		cmocka_unit_test(the_last_one_given_back_is_the_next_one_taken),
		cmocka_unit_test(what_is_kept_after_a_burst_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
