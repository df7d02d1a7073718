# tine: `make help` lists the targets.

VERSION := 0.1.0
# SKEW=1 builds what stands in for another release, see shared/base.h.
SKEW ?=
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SAN ?=
V ?= 0
PYTHON ?= /usr/bin/python3

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(Q),@printf '  %-7s %s\n' '$1' '$2')

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wcast-qual \
	-Wpointer-arith -Wwrite-strings -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough \
	-Wswitch
# A flag that this compiler knows, or nothing.
probe = $(shell printf 'int probe;' | \
	$(CC) -Werror $1 -x c -c -o /dev/null - 2>/dev/null && echo $1)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIC \
	$(call probe,-fcf-protection) \
	$(call probe,-ftrivial-auto-var-init=zero) \
	$(call probe,-fstrict-flex-arrays=3)
ifeq ($(SAN),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
OPT ?= -O2
else
OPT ?= -O1
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
endif
WERROR ?=
ifeq ($(SKEW),1)
VERSION := $(VERSION)+skew
CPPFLAGS += -DTINE_SKEW
endif
CPPFLAGS += -D_GNU_SOURCE -DTINE_VERSION='"$(VERSION)"' -I. -Ishared/public
CFLAGS += -std=gnu11 $(OPT) -g $(WARN) $(WERROR) $(HARDEN) $(SANFLAGS) \
	-fvisibility=hidden
LDFLAGS += -Wl,-z,relro,-z,now,-z,noexecstack $(SANFLAGS)
LIBS := -lev -lbsd $(shell pkg-config --libs yaml-0.1 2>/dev/null || \
	echo -lyaml) -ldl -lm
LIBS_JSON := $(shell pkg-config --libs jansson 2>/dev/null || echo -ljansson)
# What a program needs that has libtine.a in it.
LIBS_STATIC := $(LIBS) $(LIBS_JSON) -lmd

# The shared library is another one when handlers must be compiled anew.
SONAME := libtine.so.$(shell sed -n 's/^.define TINE_ABI //p' \
	shared/public/tine.h)

# ---- what is built from what ----

SHARED := $(wildcard shared/*.c)
TINECTL := $(wildcard master/tinectl*.c)
MASTER := $(filter-out master/main.c $(TINECTL),$(wildcard master/*.c))
CHILD := $(wildcard child/*.c)
BUILTIN := echo upper discard http
HANDLERS := $(wildcard child/handlers/*.c)
TESTMODS := $(patsubst tests/handlers/%.c,$(BUILD)/tests/handlers/%.so,\
	$(wildcard tests/handlers/*.c))
EXAMPLES := $(patsubst tests/examples/%.c,$(BUILD)/examples/%.so,\
	$(wildcard tests/examples/*.c))
# Those that are programs too.
PROGRAMS := $(patsubst tests/examples/%.c,$(BUILD)/examples/%,\
	$(shell grep -l tine_main tests/examples/*.c))
TESTPROGRAMS := $(patsubst %.c,$(BUILD)/%,\
	$(shell grep -l tine_main tests/handlers/*.c))
LIBRARIES := $(BUILD)/libtine.a $(BUILD)/libtine.so $(BUILD)/tine.pc
TOOLS := $(patsubst tests/lib/%.c,$(BUILD)/tests/lib/%,\
	$(wildcard tests/lib/*.c))
CHAOS := $(BUILD)/tests/chaos/client
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,\
	$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,\
	$(wildcard tests/fuzz/fuzz_*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
CORE_OBJS := $(call obj,$(SHARED) $(MASTER) $(CHILD) $(HANDLERS))

all: $(BUILD)/tine $(BUILD)/tinectl $(LIBRARIES) $(EXAMPLES) $(PROGRAMS) ## build tine, tinectl, libtine and the examples

$(BUILD)/tine: $(BUILD)/obj/master/main.o $(CORE_OBJS) child/exports.list
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie -Wl,--dynamic-list=child/exports.list -o $@ \
		$(filter %.o,$^) $(LIBS) $(LIBS_JSON)

# Of one piece, so that a program gets all of it and no name of ours but tine_*
# can be in the way of one of its own.
$(BUILD)/obj/libtine.o: $(CORE_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) -r -nostdlib -o $@ $^
	$(Q)objcopy -w --keep-global-symbol='tine_*' $@

$(BUILD)/libtine.a: $(BUILD)/obj/libtine.o
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/$(SONAME): $(BUILD)/obj/libtine.o
	$(call say,SO,$@)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -o $@ $^ \
		$(LIBS) $(LIBS_JSON)

$(BUILD)/libtine.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

$(BUILD)/tine.pc: conf/tine.pc $(BUILD)/flags
	$(call say,PC,$@)
	$(Q)sed 's|@VERSION@|$(VERSION)|; s|@LIBS@|$(LIBS_STATIC)|' $< >$@

$(BUILD)/tinectl: $(call obj,$(TINECTL) $(SHARED))
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^ $(LIBS) $(LIBS_JSON)

# A built-in handler sees the public header and its own files only.
$(BUILD)/obj/child/handlers/%.o: child/handlers/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -Ishared/public -Ichild/handlers $(CFLAGS) \
		-DTINE_HANDLER_SYMBOL=builtin_$* -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A shadow stack would have to be switched with the stack: see coro.c.
$(BUILD)/obj/child/coro.o: private CFLAGS += \
	$(call probe,-fcf-protection=branch)

# What tine -V shows. Private: $(BUILD)/flags must not see it.
$(BUILD)/obj/master/cmdline.o: private CPPFLAGS += \
	-DCMDLINE_FLAGS='"$(strip $(CFLAGS))"' \
	-DCMDLINE_LIBBSD='"$(shell pkg-config --modversion libbsd)"'

# A handler, as a user would build it: to be loaded, and to be a program.
define loadable
$(BUILD)/$1/%.so: tests/$2/%.c $(BUILD)/flags
	$$(call say,SO,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) -D_GNU_SOURCE -Ishared/public $$(CFLAGS) -MMD -MP -shared \
		-o $$@ $$<

$(BUILD)/$1/%: tests/$2/%.c $(BUILD)/libtine.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) -D_GNU_SOURCE -Ishared/public $$(CFLAGS) $$(LDFLAGS) -pie \
		-MMD -MP -MF $$@.main.d -o $$@ $$< $(BUILD)/libtine.a \
		'-Wl,--export-dynamic-symbol=tine_*' $$(LIBS) $$(LIBS_JSON)
endef
$(eval $(call loadable,tests/handlers,handlers))
$(eval $(call loadable,examples,examples))

$(BUILD)/tests/lib/%: tests/lib/%.c $(BUILD)/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pie -MMD -MP -o $@ $< -lm

$(CHAOS): $(call obj,$(wildcard tests/chaos/*.c))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -pie -o $@ $^ -lm

# A unit test links everything but the two mains; those of tinectl also link
# the files of it that they are about. UNIT_WRAP_<test> names the
# functions that the test replaces.
UNIT_WRAP_test_accept := accept4
UNIT_WRAP_test_dgram := recvmmsg sendmmsg
UNIT_WRAP_test_peers := calloc
UNIT_WRAP_test_admit := accept4
UNIT_WRAP_test_lag := clock_gettime log_write
UNIT_WRAP_test_snapshot := mmap
UNIT_WRAP_test_chain = $(WRAP_MEMORY)
UNIT_WRAP_test_unread = $(WRAP_MEMORY)
UNIT_WRAP_test_write = $(WRAP_MEMORY)
UNIT_WRAP_test_coro := mmap
UNIT_WRAP_test_stream := mmap log_write
UNIT_WRAP_test_connect := getaddrinfo
UNIT_WRAP_test_place := spawn_child
UNIT_WRAP_test_roll := spawn_child
UNIT_WRAP_test_reload := spawn_child
UNIT_WRAP_test_scale := spawn_child
UNIT_WRAP_test_generation := spawn_child
UNIT_WRAP_test_operation := spawn_child $(foreach op,reload scale upgrade,\
	$(op)_begin $(op)_step $(op)_commit $(op)_cancel)
UNIT_WRAP_test_spawn := child_main
UNIT_WRAP_test_checkrun := child_main
UNIT_WRAP_test_slot := spawn_child
UNIT_WRAP_test_relay := spawn_child
UNIT_WRAP_test_dispatch := handoff_send
UNIT_WRAP_test_state := spawn_child
UNIT_WRAP_test_mctl := spawn_child
UNIT_WRAP_test_guard := spawn_child socket
UNIT_WRAP_test_watch := spawn_child proc_signal
UNIT_WRAP_test_renew := spawn_child
UNIT_WRAP_test_sizer := spawn_child
UNIT_WRAP_test_logs := spawn_child
UNIT_WRAP_test_admin := spawn_child
UNIT_WRAP_test_status := spawn_child
UNIT_WRAP_test_metrics := spawn_child
UNIT_WRAP_test_counters := spawn_child
UNIT_WRAP_test_fairness := spawn_child
UNIT_WRAP_test_control := spawn_child stop_begin
WRAP_MEMORY := malloc calloc reallocarray strdup
UNIT_WRAP_test_task := $(WRAP_MEMORY)
UNIT_WRAP_test_listening := $(WRAP_MEMORY)
UNIT_WRAP_test_offload := pthread_create
UNIT_WRAP_test_conf := $(WRAP_MEMORY)
UNIT_WRAP_test_conf_load := $(WRAP_MEMORY)
UNIT_WRAP_test_origin := $(WRAP_MEMORY)
UNIT_WRAP_test_cmdline := $(WRAP_MEMORY) getcwd
UNIT_WRAP_test_resolve := $(WRAP_MEMORY) geteuid getegid getpwnam getpwuid \
	getgrnam bind getaddrinfo freeaddrinfo getnameinfo
UNIT_WRAP_test_cpus := sched_getaffinity
UNIT_WRAP_test_affinity := sched_getaffinity sched_setaffinity
UNIT_WRAP_test_daemon := fork pipe2
UNIT_WRAP_test_pidfile := lstat pwrite unlink
UNIT_WRAP_test_rlimit := getrlimit setrlimit
UNIT_WRAP_test_audit := listen fcntl
UNIT_WRAP_test_steer := setsockopt reallocarray
UNIT_WRAP_test_binary := execveat
UNIT_WRAP_test_trial := fork
UNIT_WRAP_test_tlv := realloc malloc memfd_create pwrite
UNIT_WRAP_test_notify := $(WRAP_MEMORY) sendmsg
UNIT_WRAP_test_inherit := $(WRAP_MEMORY) notify_unstore_name
UNIT_WRAP_test_heir := spawn_child inherit_take inherit_take_extra
UNIT_WRAP_test_service := spawn_child $(addprefix notify_,init has_manager \
	ready reloading stopping extend status store unstore)
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(CORE_OBJS)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -pie -Wl,--dynamic-list=child/exports.list \
		$(patsubst %,-Wl$(comma)--wrap=%,$(UNIT_WRAP_$*)) -o $@ $^ \
		-lcmocka $(LIBS) $(LIBS_JSON)
$(patsubst %,$(BUILD)/tests/unit/test_tinectl_%,rates screen status): \
	$(call obj,$(patsubst %,master/tinectl_%.c,rates screen status))
comma := ,

# Fuzzers: clang only.
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(SHARED) child/handlers/http_parse.c \
		master/tlv.c $(addprefix child/,chain.c block.c pool.c)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -Ichild/handlers $(FUZZ_CFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/fuzz/fuzz_codec: tests/fuzz/fuzz_codec.c child/framing.c
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) $(FUZZ_CFLAGS) -o $@ $^

# All of the master, whose children it is not to have.
$(BUILD)/tests/fuzz/fuzz_state: tests/fuzz/fuzz_state.c $(SHARED) $(MASTER)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -DCMDLINE_FLAGS='""' -DCMDLINE_LIBBSD='""' \
		$(FUZZ_CFLAGS) -Wl,--wrap=close,--wrap=fcntl,--wrap=prctl \
		-o $@ $^ $(LIBS) $(LIBS_JSON)

# What was compiled is stale when the flags change: the file is only written
# anew, and so younger than the objects, when its text is another one.
$(BUILD)/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' | \
		cmp -s - $@ 2>/dev/null || \
		echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' > $@
FORCE:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- what is done with it ----

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
# To make, the object of a unit test is a step on the way, to be deleted.
.PRECIOUS: $(BUILD)/obj/%.o
.PHONY: all tests fuzzers check check-layers check-format check-scripts \
	check-lines check-header check-manuals unit test fuzz bench soak \
	install uninstall clean help

tests: all $(UNITS) $(TESTMODS) $(TESTPROGRAMS) $(TOOLS) $(CHAOS) ## build what the tests need

fuzzers: $(FUZZERS) ## build the fuzz targets (clang)

check: check-layers check-format check-scripts check-lines check-header check-manuals ## the gate: layers, format, scripts, lines, public header, manuals

check-layers:
	$(Q)scripts/layers

check-format:
	$(Q)scripts/format --check

check-scripts:
	$(Q)shellcheck scripts/* .ci/run conf/completion.bash

check-lines:
	$(Q)scripts/lines

# A manual of ours is not among those of the system: no offence. grep finds
# nothing, so 1, when there is none. On stderr are notes about the index of the
# system's manuals.
check-manuals:
	$(Q)command -v mandoc >/dev/null
	$(Q)mandoc -T lint -W style $(MANUALS) 2>/dev/null | \
		grep -v 'referenced manual not found' >&2; \
		[ $$? -eq 1 ]

check-header:
	$(Q)scripts/header

unit: $(UNITS) ## run the unit tests
	$(Q)scripts/unit $(BUILD)

test: ## install what is missing, build with both compilers, run every test
	$(Q)scripts/test

TIME := 10
fuzz: fuzzers ## fuzz each target for TIME seconds
	$(Q)scripts/fuzz $(TIME) $(BUILD)

SECONDS := 1800
soak: tests ## let chaos happen for SECONDS, from where the last soak ended
	$(Q)scripts/soak $(SECONDS) $(BUILD)

bench: all ## measure requests, idle connections and fairness
	$(Q)$(PYTHON) tests/bench/bench.py $(BUILD)

# What is installed: file:folder[/name]. Nothing goes to /etc: the sample
# configuration and logrotate's are examples until an operator copies them.
MANUALS := master/tine.8 master/tinectl.8 conf/tine.yaml.5 \
	shared/public/tine_handler.3
COMPLETIONS := share/bash-completion/completions
INSTALLED := shared/public/tine.h:include/tine.h \
	$(foreach m,$(MANUALS),\
		$m:share/man/man$(patsubst .%,%,$(suffix $m))/$(notdir $m)) \
	conf/completion.bash:$(COMPLETIONS)/tine \
	conf/completion.bash:$(COMPLETIONS)/tinectl \
	conf/tine.yaml:share/tine/tine.yaml \
	conf/logrotate:share/tine/logrotate \
	conf/tine.service:lib/systemd/system/tine.service \
	conf/tine.socket:lib/systemd/system/tine.socket
ROOT := $(DESTDIR)$(PREFIX)

install: all ## install below DESTDIR and PREFIX
	install -D -m 755 -t $(ROOT)/bin $(BUILD)/tine $(BUILD)/tinectl
	install -D -m 644 -t $(ROOT)/lib $(BUILD)/libtine.a $(BUILD)/$(SONAME)
	ln -sf $(SONAME) $(ROOT)/lib/libtine.so
	install -D -m 644 -t $(ROOT)/lib/pkgconfig $(BUILD)/tine.pc
	$(Q)set -e; for i in $(INSTALLED); do \
		install -D -m 644 "$${i%%:*}" "$(ROOT)/$${i#*:}"; \
	done
	sed -i 's|/usr/local|$(PREFIX)|' $(ROOT)/share/tine/logrotate \
		$(ROOT)/lib/systemd/system/tine.service \
		$(ROOT)/lib/pkgconfig/tine.pc

uninstall: ## remove what install put there
	rm -f $(addprefix $(ROOT)/,bin/tine bin/tinectl lib/libtine.a \
		lib/libtine.so lib/$(SONAME) lib/pkgconfig/tine.pc \
		$(foreach i,$(INSTALLED),$(lastword $(subst :, ,$i))))
	[ ! -d $(ROOT)/share/tine ] || \
		rmdir --ignore-fail-on-non-empty $(ROOT)/share/tine

compile_commands.json: FORCE ## the compiler's command lines, for editors
	$(Q)$(MAKE) -s --no-print-directory -nB V=1 tests | scripts/compdb > $@

clean: ## remove everything that was built
	rm -rf $(BUILD) build build-clang build-san build-skew \
		compile_commands.json

help: ## this list
	@awk -F ' *:[^#]*## ' '/^[a-z][a-z_. -]*:[^=]*## / \
		{ printf "  %-22s %s\n", $$1, $$2 }' Makefile
	@echo 'settings: CC=gcc|clang BUILD=folder SAN=address,undefined V=1'
	@echo '          SKEW=1 (with BUILD: another release, for tests)'
	@echo '          WERROR=-Werror OPT=-O2 DESTDIR= PREFIX=/usr/local'
