# GNU make.
#   make            build the milters
#   make check      install what the tests need (as root), build, run all tests
#   make demo       see them work behind a private sendmail (KEEP=1 to stay up)
#   make install    PREFIX, DESTDIR
#   make deb        a Debian package
# BUILD=DIR builds elsewhere; CC, CFLAGS and LDFLAGS apply.

VERSION = 0.1

PREFIX  = /usr/local
SYSCONF = /etc
UNITDIR = $(PREFIX)/lib/systemd/system
BUILD   = .

CC      = cc
CFLAGS  = -O2 -g
HARDEN  = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
LINK    = -pie -Wl,-z,relro,-z,now,-z,noexecstack
WARN    = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	  -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla
# Beyond POSIX: getopt_long_only, initgroups, getloadavg, flock, strsep and
# their kind, which glibc and the BSDs have; pthread_setattr_default_np and
# mallopt only with glibc, inside an #ifdef.
DEFS    = -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE \
	  -DVERSION='"$(VERSION)"' -Icommon
LIBS    = -lmilter -ldb-5.3 -lpthread
ALL_LIBS = -Wl,--as-needed $(foreach m,$(MILTERS),$($(m)_LIBS)) $(LIBS)
ALL_CFLAGS = $(WARN) $(DEFS) $(HARDEN) $(CFLAGS)

MILTERS = blackmilter graymilter spfmilter bccmilter virusmilter
COMMON  = log clock bytes options stats addr reply texts ipset ipline \
	  forged listfile iplist mailboxes mailfile client storefile store \
	  line control ask report worker daemon
# The parts of a milter that are not its main file.
blackmilter_PARTS = entry shortlist judge commands
graymilter_PARTS  = sha256 tuple record hint greylist judge session commands
spfmilter_PARTS   = dns dnspacket dnscache nameserver channel resolver macro \
		    terms mechanism evaluate spf fallback header hint judge \
		    session commands
bccmilter_PARTS   = addrlist recipients alias judge why session commands
virusmilter_PARTS = decode mediatype mimeline level mime encodedword param \
		    filename content zip automaton signatures globs scan \
		    clamdsocket clamdserver clamd emergency judge why session \
		    commands
# What only one of them is linked with.
spfmilter_LIBS    = -lspf2 -lcares

COMMON_LIB = $(BUILD)/common/common.a
PARTS_LIB  = $(foreach m,$(MILTERS),$(BUILD)/$(m)/parts.a)
PROGRAMS   = $(foreach m,$(MILTERS),$(BUILD)/$(m)/$(m))

all: $(PROGRAMS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -I$(<D) -MMD -MP -c -o $@ $<

$(COMMON_LIB): $(COMMON:%=$(BUILD)/common/%.o)
	rm -f $@
	ar rc $@ $^

define milter_rules
$(BUILD)/$(1)/parts.a: $$($(1)_PARTS:%=$(BUILD)/$(1)/%.o)
	rm -f $$@
	ar rc $$@ $$^

$(BUILD)/$(1)/$(1): $(BUILD)/$(1)/$(1).o $(BUILD)/$(1)/parts.a $(COMMON_LIB)
	$$(CC) $$(CFLAGS) $$(LINK) $$(LDFLAGS) -o $$@ $$^ \
	    $$($(1)_LIBS) $$(LIBS)
endef
$(foreach m,$(MILTERS),$(eval $(call milter_rules,$(m))))

# --- tests

TEST_DEFS = $(foreach m,$(MILTERS),-I$(m)) -Itests/unit
UNIT    = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/t_*.c \
	  $(foreach m,$(MILTERS),tests/unit/$(m)/t_*.c)))
FUZZ    = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS = $(FUZZ:%=$(BUILD)/tests/fuzz/replay_%)
DRIVERS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/*/*_driver.c)) \
	  $(BUILD)/tests/fault/fail.so
SOAK_CLOCK = $(BUILD)/tests/soak/clock.so
BENCHES = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))

$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(TEST_DEFS) -MMD -MP -c -o $@ $<

$(filter $(BUILD)/tests/unit/t_%,$(UNIT)): %: %.o $(COMMON_LIB)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# Those of a milter's parts see that milter's headers and parts only.
define unit_rules
$(BUILD)/tests/unit/$(1)/%.o: tests/unit/$(1)/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) -I$(1) -Itests/unit -MMD -MP -c -o $$@ $$<

$(filter $(BUILD)/tests/unit/$(1)/t_%,$(UNIT)): %: %.o \
    $(BUILD)/$(1)/parts.a $(COMMON_LIB)
	$$(CC) $$(CFLAGS) $$(LINK) $$(LDFLAGS) -o $$@ $$^ \
	    -lcmocka $$($(1)_LIBS) $$(LIBS)
endef
$(foreach m,$(MILTERS),$(eval $(call unit_rules,$(m))))

$(REPLAYS): $(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o \
    $(BUILD)/tests/fuzz/replay.o $(PARTS_LIB) $(COMMON_LIB)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(filter-out %.so,$(DRIVERS)) $(BENCHES): %: %.o $(PARTS_LIB) $(COMMON_LIB)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/tests/fault/fail.so $(SOAK_CLOCK): $(BUILD)/%.so: %.c
	@mkdir -p $(@D)
	$(CC) $(WARN) -D_GNU_SOURCE -O2 -g -fPIC -shared -o $@ $< -ldl

tests: all $(UNIT) $(REPLAYS) $(DRIVERS)

PROVE   = prove --timer -Itests/lib
ENVIRON = BUILD='$(abspath $(BUILD))'

check: deps
	+$(MAKE) tests
	$(ENVIRON) tests/run

# The same tests on the same sources, built to watch themselves.
ASAN = BUILD=build-asan LINK= \
    HARDEN='-fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all' \
    LDFLAGS='-fsanitize=address,undefined'
check-asan: deps
	+$(MAKE) check-built $(ASAN) WATCH=asan

check-tsan: deps
	+$(MAKE) check-built BUILD=build-tsan LINK= \
	    HARDEN='-fsanitize=thread -DSTACK_SIZE=1048576' \
	    LDFLAGS=-fsanitize=thread WATCH=tsan

check-valgrind: deps
	+$(MAKE) check-built BUILD=build-valgrind WATCH=valgrind

# Every call that can fail, where check takes a few of each kind.
check-faults: deps
	+$(MAKE) tests
	$(ENVIRON) FAULT_CALLS=all $(PROVE) --exec '$(CURDIR)/tests/exec' \
	    tests/fault/*fail.t

check-built: tests
	$(ENVIRON) WATCH=$(WATCH) tests/run

# A minute for each parser of what strangers send; SECONDS=n for more.
SECONDS = 60
fuzz: deps
	tests/fuzz/run $(SECONDS) $(FUZZ)

# All five at work while everything goes wrong; SOAK=seconds for less of it.
soak: deps
	+$(MAKE) all $(SOAK_CLOCK)
	+$(MAKE) all $(ASAN)
	$(ENVIRON) ASAN_BUILD='$(CURDIR)/build-asan' tests/soak/run

bench: deps
	+$(MAKE) all $(BENCHES)
	$(ENVIRON) tests/bench/run

demo: deps
	+$(MAKE) all
	$(ENVIRON) tests/mta/demo

demo-stop:
	$(ENVIRON) tests/mta/demo stop

deps:
	tests/deps $(MAKECMDGOALS)

print-flags:
	@:$(info $(ALL_CFLAGS) $(TEST_DEFS))

# --- installation

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin \
	    $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/milters \
	    $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONF)/init.d
	sed 's,/usr/local,$(PREFIX),g' common/milter.init \
		>$(DESTDIR)$(PREFIX)/share/milters/milter.init
	chmod 644 $(DESTDIR)$(PREFIX)/share/milters/milter.init
	for m in $(MILTERS); do \
	    install -m 755 $(BUILD)/$$m/$$m $(DESTDIR)$(PREFIX)/sbin && \
	    install -m 644 $$m/$$m.8 $(DESTDIR)$(PREFIX)/share/man/man8 && \
	    install -m 644 $$m/$$m.m4 $(DESTDIR)$(PREFIX)/share/milters && \
	    sed 's,/usr/local,$(PREFIX),g' $$m/$$m.service \
		>$(DESTDIR)$(UNITDIR)/$$m.service && \
	    chmod 644 $(DESTDIR)$(UNITDIR)/$$m.service && \
	    sed 's,/usr/local,$(PREFIX),g' $$m/$$m.init \
		>$(DESTDIR)$(SYSCONF)/init.d/$$m && \
	    chmod 755 $(DESTDIR)$(SYSCONF)/init.d/$$m || exit 1; \
	done

deb: deps
	+$(MAKE) all
	+$(ENVIRON) packaging/deb/build '$(VERSION)' '$(BUILD)'

clean:
	rm -f milters_*.deb
	rm -rf build-asan build-tsan build-valgrind
	find common $(MILTERS) tests \( -name '*.[oad]' -o -name '*.so' \) \
	    -exec rm -f {} +
	rm -f $(MILTERS:%=%/%) $(MILTERS:%=%/parts.a) \
	    $(patsubst %.c,%,$(wildcard tests/unit/t_*.c \
	    tests/unit/*/t_*.c tests/bench/*.c \
	    tests/*/*_driver.c)) tests/fuzz/replay_* tests/fuzz/fuzzer_*

-include $(wildcard $(foreach d,common tests/* tests/unit/* $(MILTERS), \
    $(BUILD)/$(d)/*.d))

.PHONY: all tests check check-asan check-tsan check-valgrind check-faults \
    check-built fuzz soak bench demo demo-stop deps print-flags install deb \
    clean
