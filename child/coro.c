/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coro.c: switching stacks. Runs in children, on the loop's thread. Assembler
 * for x86-64 and AArch64, by their System V calling conventions: what a callee
 * must keep is pushed, the stack pointer exchanged, and what the other side
 * pushed is popped. Elsewhere, and with CORO_UCONTEXT, glibc's swapcontext,
 * which asks the system for the signal mask at each switch.
 *
 * This file is compiled without the mark of a shadow stack: one would have to
 * be switched too, and no handler's call may end in a fault for want of it.
 */
#include "child/coro.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "shared/base.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0U
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifdef __SANITIZE_ADDRESS__
#define CORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#endif

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(CORO_UCONTEXT)
#define CORO_UCONTEXT
#endif
#ifdef CORO_UCONTEXT
#include <ucontext.h>
#endif

static struct coro *running;
/* The loop's own stack, as far as the sanitizer must know it. */
static const void *loop_bottom;
static size_t loop_bytes;

struct coro *
coro_current(void)
{
	return running;
}

#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static void
tell_start(void **fake, const void *bottom, size_t bytes)
{
	__sanitizer_start_switch_fiber(fake, bottom, bytes);
}

static void
tell_finish(void *fake, const void **bottom, size_t *bytes)
{
	__sanitizer_finish_switch_fiber(fake, bottom, bytes);
}

/* The frames of one that never returned left their marks. */
static void
tell_drop(void *stack)
{
	__asan_unpoison_memory_region(stack, STACK_BYTES);
}
#else
static void
tell_start(void **fake, const void *bottom, size_t bytes)
{
	(void)fake;
	(void)bottom;
	(void)bytes;
}

static void
tell_finish(void *fake, const void **bottom, size_t *bytes)
{
	(void)fake;
	(void)bottom;
	(void)bytes;
}

static void
tell_drop(void *stack)
{
	(void)stack;
}
#endif

/* ---- the switch ---- */

/* Where every coroutine begins. */
NORETURN static void coro_main(void);

#ifdef CORO_UCONTEXT

static ucontext_t loop_context;

static void
prepare(struct coro *co)
{
	ucontext_t *own = (ucontext_t *)(void *)((char *)co->stack +
	    STACK_BYTES - (sizeof(*own) + 63) / 64 * 64);

	(void)getcontext(own);
	own->uc_stack.ss_sp = co->stack;
	own->uc_stack.ss_size = (size_t)((char *)own - (char *)co->stack);
	own->uc_link = NULL;
	makecontext(own, coro_main, 0);
	co->sp = own;
}

static void
enter(struct coro *co)
{
	(void)swapcontext(&loop_context, co->sp);
}

static void
leave(struct coro *co)
{
	(void)swapcontext(co->sp, &loop_context);
}

#else

/* Push what a callee keeps, exchange the stack pointer, pop it. */
void coro_switch(void **save, void *load) __asm__("coro_switch");

#if defined(__x86_64__)
__asm__(".text\n"
	".p2align 4\n"
	".type coro_switch, @function\n"
	"coro_switch:\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size coro_switch, .-coro_switch\n");

/* As coro_switch left a stack: control words, six registers, where to go on,
 * and a null that ends a debugger's walk. At its first instruction a function
 * finds the stack pointer 8 bytes below a multiple of 16. */
struct frame {
	uint32_t mxcsr;
	uint16_t x87, unused;
	uint64_t registers[6];
	void (*go_on)(void);
	uint64_t none;
};

static void
prepare(struct coro *co)
{
	struct frame *f = (struct frame *)(void *)((char *)co->stack +
	    STACK_BYTES - 2 * sizeof(uint64_t) - sizeof(struct frame));

	_Static_assert(sizeof(struct frame) % 16 == 8, "as a call leaves it");
	*f = (struct frame){ .go_on = coro_main };
	__asm__ volatile("stmxcsr %0" : "=m"(f->mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(f->x87));
	co->sp = f;
}

#elif defined(__aarch64__)
__asm__(".text\n"
	".p2align 4\n"
	".type coro_switch, %function\n"
	"coro_switch:\n"
	"	hint #34\n" /* bti c */
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	".size coro_switch, .-coro_switch\n");

/* As coro_switch left a stack: x19 to x28, frame pointer, where to go on, d8 to
 * d15. */
struct frame {
	uint64_t registers[10], pointer;
	void (*go_on)(void);
	uint64_t floats[8];
};

static void
prepare(struct coro *co)
{
	struct frame *f = (struct frame *)(void *)((char *)co->stack +
	    STACK_BYTES - 2 * sizeof(uint64_t) - sizeof(struct frame));

	_Static_assert(sizeof(struct frame) == 160, "as it is popped");
	*f = (struct frame){ .go_on = coro_main };
	co->sp = f;
}
#endif

static void *loop_sp;

static void
enter(struct coro *co)
{
	coro_switch(&loop_sp, co->sp);
}

static void
leave(struct coro *co)
{
	coro_switch(&co->sp, loop_sp);
}

#endif

/* ---- what is switched ---- */

static void
coro_main(void)
{
	struct coro *co = running;

	tell_finish(NULL, &loop_bottom, &loop_bytes);
	co->fn(co->arg);
	co->has_returned = true;
	/* Null: the sanitizer may forget this stack. */
	tell_start(NULL, loop_bottom, loop_bytes);
	leave(co);
	abort();
}

int
coro_init(struct coro *co, struct stack_pool *pool, void (*fn)(void *),
    void *arg)
{
	*co = (struct coro){ .fn = fn, .arg = arg };
	co->stack = stack_get(pool);
	if (co->stack == NULL)
		return -1;
	co->registered =
	    VALGRIND_STACK_REGISTER(co->stack, (char *)co->stack + STACK_BYTES);
	prepare(co);
	return 0;
}

void
coro_drop(struct coro *co, struct stack_pool *pool)
{
	assert(co != running);
	if (co->stack == NULL)
		return;
	VALGRIND_STACK_DEREGISTER(co->registered);
	tell_drop(co->stack);
	stack_put(pool, co->stack);
	co->stack = NULL;
}

bool
coro_resume(struct coro *co, struct stack_pool *pool)
{
	void *fake = NULL;

	assert(running == NULL && co->stack != NULL);
	running = co;
	tell_start(&fake, co->stack, STACK_BYTES);
	enter(co);
	tell_finish(fake, NULL, NULL);
	running = NULL;
	if (!co->has_returned)
		return false;
	coro_drop(co, pool);
	return true;
}

void
coro_yield(void)
{
	struct coro *co = running;

	assert(co != NULL);
	tell_start(&co->fake, loop_bottom, loop_bytes);
	leave(co);
	tell_finish(co->fake, &loop_bottom, &loop_bytes);
}
