/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tine.h: all that a handler sees of the server. The same header serves the
 * handlers built into tine and those loaded from a shared object.
 *
 * A handler is one exported `const struct tine_handler`, made by TINE_HANDLER.
 * Its callbacks run in a child, a process with one event loop: one at a time,
 * never in the master, always without privileges. Unless a call says
 * otherwise it may be made from callbacks only, and must not block.
 *
 * Fields and calls are only ever appended; TINE_ABI rises when that was not
 * possible.
 */
#ifndef TINE_H
#define TINE_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a handler is built for, and the oldest that a server of this header
 * still runs. */
#define TINE_ABI 1
#define TINE_ABI_MIN 1

#define TINE_EXPORT __attribute__((visibility("default")))
#define TINE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* One handler in one child: its options, its data and the server's facts. */
struct tine_child;
/* One connection of a child. */
struct tine_conn;
/* A UDP packet, and those of its batch that follow. */
struct tine_dgram;
/* What cuts a connection's input into messages: see "messages" below. */
struct tine_codec;
/* A connection as a coroutine sees it: see "blocking style" below. */
struct tine_stream;

/* What a callback asks the server to do when it returns. */
enum tine_action {
	TINE_OK,     /* go on */
	TINE_CLOSE,  /* close when the output written so far is out */
	TINE_ABORT,  /* close now with a reset, unsent output is lost */
	TINE_DETACH, /* give the descriptor to the handler: see detached */
	TINE_STOP    /* stop the whole server; only with TINE_MAY_STOP */
};

/* Why a connection ended, for the close callback and the counters. */
enum tine_cause {
	TINE_PEER_EOF,      /* the peer closed in order */
	TINE_RESET,         /* the peer reset, or its host is unreachable */
	TINE_LOCAL,         /* the handler closed or aborted it */
	TINE_IDLE,          /* nothing in either direction for `idle` */
	TINE_FIRST_BYTE,    /* no first byte within `first-byte` */
	TINE_READ_TIMEOUT,  /* a message begun was not completed in `read` */
	TINE_WRITE_TIMEOUT, /* the peer took no byte of output for `write` */
	TINE_LIFETIME,      /* older than `lifetime` */
	TINE_OVERFLOW,      /* a limit was reached */
	TINE_FRAMING,       /* a codec could not decode the input */
	TINE_DRAIN,         /* the child is leaving */
	TINE_ERROR          /* a system call failed: see err */
};

/* Flags of a handler. */
enum {
	TINE_MAY_STOP = 1,  /* TINE_STOP is obeyed */
	TINE_TICK_ONCE = 2, /* tick runs in the child of place 0 only */
};

/* The type of an option; values are written as in the configuration. */
enum tine_type {
	TINE_STRING,   /* any text */
	TINE_TEXT,     /* text in which C escapes (\r \n \t \\ \" \' \0 \xHH)
	                  are resolved; may hold null bytes: see tine_option() */
	TINE_INT,      /* decimal integer */
	TINE_BOOL,     /* true, false, yes, no, on, off */
	TINE_SIZE,     /* bytes, with k, m or g: 64k */
	TINE_DURATION, /* 250ms 30s 5min 1h; tine_option_int(): milliseconds */
	TINE_LIST,     /* texts separated by commas */
	TINE_PATH,     /* a file; relative to the folder tine started in */
	TINE_FOLDER    /* a folder that must exist and be readable */
};

/* One option that a handler declares; a table ends with a null name. */
struct tine_option {
	const char *name;
	enum tine_type type;
	const char *value; /* default, as text; NULL: not set */
	int64_t min, max;  /* bounds: INT as is, SIZE bytes, DURATION
	                      milliseconds, texts bytes; both 0: none */
	const char *help;  /* one line for -H and the manual */
};

/* A handler: every callback is optional. */
struct tine_handler {
	size_t size;    /* set by TINE_HANDLER */
	unsigned abi;   /* set by TINE_HANDLER */
	unsigned flags; /* TINE_MAY_STOP, TINE_TICK_ONCE */
	const char *name;
	const struct tine_option *options; /* ended by a null name, or NULL */
	/* Cuts the input into messages for `frame`; NULL: `data` gets it all */
	const struct tine_codec *codec;
	size_t conn_size; /* zeroed bytes beside each connection */

	/* The child is about to serve. Anything but TINE_OK or TINE_STOP means
	 * that it cannot: say why with tine_set_error() first. */
	enum tine_action (*start)(struct tine_child *);
	/* The child has closed its last connection. */
	void (*stop)(struct tine_child *);
	/* A connection was accepted; may write, close, refuse (TINE_ABORT). */
	enum tine_action (*open)(struct tine_conn *);
	/* Input has arrived: peek, consume what is complete, leave the rest.
	 * With a codec it comes only for tine_wake(). */
	enum tine_action (*data)(struct tine_conn *);
	/* One whole message, when the handler names a codec. The bytes belong
	 * to the server and are valid until the callback returns. The message
	 * is consumed already: tine_peek() shows what follows it. Messages
	 * come in order, also those that the peer sent before it closed; after
	 * TINE_CLOSE, TINE_ABORT or tine_close() no more come. While `output`
	 * is reached they wait. */
	enum tine_action (
	    *frame)(struct tine_conn *, const void *buf, size_t len);
	/* The peer closed its side; output is still possible. Without this
	 * callback the connection closes when its output is out. With a codec
	 * tine_peek() shows the beginning of a message that was cut off; a
	 * handler without eof closes then with the cause TINE_FRAMING. */
	enum tine_action (*eof)(struct tine_conn *);
	/* Bytes are about to go out. */
	void (*before_write)(struct tine_conn *);
	/* Output had passed `output-high` and has fallen under `output-low`. */
	void (*drained)(struct tine_conn *);
	/* Exactly once for each open; err is an errno value or 0. */
	void (*close)(struct tine_conn *, enum tine_cause, int err);
	/* A UDP packet: see tine_dgram_bytes(). A handler without this cannot
	 * listen on UDP. TINE_OK or TINE_STOP. */
	enum tine_action (*datagram)(struct tine_dgram *);
	/* First when the child is ready. *next: seconds to the next tick;
	 * negative ends it. */
	enum tine_action (*tick)(struct tine_child *, double *next);
	/* The child drains: may this connection go now? Asked once the
	 * connection had keepalive-grace to speak, then after each callback
	 * and from time to time.
	 * Without it connections stay until the peer closes or the
	 * drain-timeout. */
	bool (*quiesce)(struct tine_conn *);
	/* After TINE_DETACH, instead of close, when the output written so far
	 * is out: fd is the handler's from here on (non-blocking, close-on-exec),
	 * and unread is what it did not consume, valid until this returns. A
	 * connection that ends before that is closed as any other. */
	void (*detached)(struct tine_child *, int fd, const void *unread,
	    size_t len);
	/* The whole life of a connection as one function, whose calls wait: see
	 * "blocking style" below. Beside it there may be only start, stop,
	 * tick, quiesce and datagram; when it returns the connection closes
	 * after its output is out. */
	void (*run)(struct tine_stream *);
	/* What a client is told that cannot be served because a limit is
	 * reached, with overload.policy: reply; at most 4096 bytes, which are
	 * not copied. NULL: it is closed without a word. No callback is
	 * called for such a connection. */
	const char *busy;
	size_t busy_len;
	/* A write of `refused` bytes met the cap of a connection that has
	 * TINE_POLICY_CALL; it runs within the callback that wrote. The write
	 * fails, whatever this returns. */
	enum tine_action (*overflow)(struct tine_conn *, size_t refused);
};

/*
 * TINE_HANDLER(.name = "echo", .data = echo_data); defines the handler. The
 * server compiles its built-in handlers with a TINE_HANDLER_SYMBOL each; in a
 * shared object the symbol is always tine_handler. In C++ it needs C++20 and
 * the fields in the order of the struct; before C++20 do what it does, with a
 * function that fills a struct tine_handler of zeros. C++ must say "struct",
 * for there are functions of the same names.
 */
#ifndef TINE_HANDLER_SYMBOL
#define TINE_HANDLER_SYMBOL tine_handler
#endif
#define TINE_DEFINE(...)                                                       \
	extern TINE_EXPORT const struct tine_handler TINE_HANDLER_SYMBOL;      \
	const struct tine_handler TINE_HANDLER_SYMBOL = {                      \
		.size = sizeof(struct tine_handler),                           \
		.abi = TINE_ABI,                                               \
		__VA_ARGS__                                                    \
	}
#ifndef __cplusplus
#define TINE_HANDLER(...) TINE_DEFINE(__VA_ARGS__)
#else
/* g++ would warn of each callback that is left out. */
#define TINE_HANDLER(...)                                                      \
	extern "C" {                                                           \
	_Pragma("GCC diagnostic push")                                         \
	    _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") \
		TINE_DEFINE(__VA_ARGS__);                                      \
	_Pragma("GCC diagnostic pop")                                          \
	}                                                                      \
	static_assert(true, "the end of a declaration")
#endif

/* ---- input ---- */

/*
 * What the peer sent and the handler has not consumed. Pointers into it belong
 * to the server and are valid until the callback returns, also when the bytes
 * are consumed meanwhile; what is left is kept for the next one.
 */

/* All of it, contiguous, and its length in *len. Never NULL; *len may be 0.
 * When there is no memory to make it contiguous the connection is reset. */
TINE_EXPORT const void *tine_peek(struct tine_conn *, size_t *len);
/* All of it, or the first `most` pieces, as it lies in memory: nothing is
 * copied. Returns how many of iov were filled. */
TINE_EXPORT int tine_peek_iov(struct tine_conn *, struct iovec *iov, int most);
/* Its first len bytes, contiguous. NULL and errno: ENODATA there are fewer,
 * ENOMEM. */
TINE_EXPORT const void *tine_pull_up(struct tine_conn *, size_t len);
/* As tine_pull_up(), and consume them. */
TINE_EXPORT const void *tine_next(struct tine_conn *, size_t len);
/* Copy at most size bytes to dst and consume them; returns how many. */
TINE_EXPORT size_t tine_read(struct tine_conn *, void *dst, size_t size);
/* Where the len bytes of delimiter begin, not before offset `from`, counted
 * from the first byte of the input. -1 and errno: ENODATA they are not there,
 * EINVAL len is 0. */
TINE_EXPORT ssize_t tine_find(struct tine_conn *, size_t from,
    const void *delimiter, size_t len);
/* How many bytes there are. */
TINE_EXPORT size_t tine_buffered(const struct tine_conn *);
/* Drop len bytes from the front; len is at most tine_buffered(). */
TINE_EXPORT void tine_consume(struct tine_conn *, size_t len);
/*
 * Stop reading, until tine_resume(): the peer is slowed down by TCP. No data
 * and no eof comes meanwhile, and the read timeout does not run; those for idle
 * and for output do. Both are harmless twice. After tine_resume(), data is
 * called soon if there is input, although nothing new has come.
 */
TINE_EXPORT void tine_pause(struct tine_conn *);
/* The opposite of tine_pause(). */
TINE_EXPORT void tine_resume(struct tine_conn *);

/*
 * Bytes of input that outlive the callback and the connection, until the last
 * reference to them is given up; at most until the child ends. They must not be
 * written to.
 */
struct tine_slice {
	const void *bytes;
	size_t len;
	void *owner; /* the server's */
};
/* Consume the first len bytes as a slice, which is one reference. A few bytes
 * that have just arrived are copied, others are not. 0; or -1 and errno:
 * ENODATA there are fewer, ENOMEM. Other threads may read the bytes of a slice
 * that somebody holds; references are taken and given up on the loop. */
TINE_EXPORT int tine_slice(struct tine_conn *, size_t len, struct tine_slice *);
/* One reference more to the same bytes; who takes a part of them changes bytes
 * and len of his copy. */
TINE_EXPORT struct tine_slice tine_slice_ref(const struct tine_slice *);
/* Give a reference up; the slice is empty afterwards. Harmless twice. */
TINE_EXPORT void tine_slice_unref(struct tine_slice *);

/* ---- output ---- */

/*
 * Queue a copy of the bytes; what a callback writes goes out together when it
 * returns. 0; or -1 and errno: EPIPE the connection is closing or half closed,
 * ENOBUFS when `output` was reached before this call (a write that begins under
 * it is taken whole; see tine_set_policy()), ENOMEM. Allowed in every callback,
 * for every connection of the child.
 */
TINE_EXPORT int tine_write(struct tine_conn *, const void *, size_t);
/* The same with n pieces, which are taken together or not at all. */
TINE_EXPORT int tine_writev(struct tine_conn *, const struct iovec *, int n);
/*
 * Queue the bytes themselves: they must stay as they are until release(arg),
 * which is called exactly once, when they are out or lost; perhaps before this
 * call returns, and perhaps within other callbacks. On -1 it is not called. For
 * large pieces: each costs a record. Errors as tine_write().
 */
TINE_EXPORT int tine_write_ref(struct tine_conn *, const void *, size_t,
    void (*release)(void *arg), void *arg);
/* Queue a slice, with a reference of its own: the caller keeps his. Errors as
 * tine_write(). */
TINE_EXPORT int tine_write_slice(struct tine_conn *, const struct tine_slice *);
/*
 * Queue len bytes of the regular file fd from offset off, behind what was
 * written before. The server owns fd from here on, also on failure, and closes
 * it when the bytes are out or the connection ends. When the file turns out
 * shorter the connection is reset. Errors as tine_write().
 */
TINE_EXPORT int tine_sendfile(struct tine_conn *, int fd, off_t off,
    size_t len);
/*
 * Queue len bytes that come out of the pipe fd, by and by: the output behind
 * them waits, and the write timeout does not run while the pipe has nothing.
 * The server owns fd from here on, also on failure, and makes it non-blocking.
 * When the pipe ends earlier the connection is reset. Errors as tine_write(),
 * and EINVAL: fd is no pipe.
 */
TINE_EXPORT int tine_splice(struct tine_conn *, int fd, size_t len);
/* Gather what callbacks write, until tine_uncork() or tine_flush(), or until it
 * is 64 KiB. Does not hold up a close. Harmless twice. */
TINE_EXPORT void tine_cork(struct tine_conn *);
/* The opposite of tine_cork(); what was gathered goes out. */
TINE_EXPORT void tine_uncork(struct tine_conn *);
/* Send what was written, as much as the kernel takes, before this returns. 0;
 * or -1 with errno EPIPE when it is closing or could not be sent to. */
TINE_EXPORT int tine_flush(struct tine_conn *);

/* What becomes of a write when `output` is reached. */
enum tine_policy {
	TINE_REFUSE,       /* -1 with errno ENOBUFS; the default */
	TINE_POLICY_CLOSE, /* the same, and a reset with cause TINE_OVERFLOW */
	TINE_POLICY_DROP,  /* 0, but the bytes are lost */
	TINE_POLICY_CALL   /* as TINE_REFUSE, after the overflow callback */
};
/* Choose it for this connection. */
TINE_EXPORT void tine_set_policy(struct tine_conn *, enum tine_policy);
/* Bytes of output that the kernel has not taken yet. */
TINE_EXPORT size_t tine_unsent(const struct tine_conn *);
/* Output has passed `output-high` and drained was not called since. */
TINE_EXPORT bool tine_is_congested(const struct tine_conn *);

/*
 * From now on each of the two connections gets what the other one's peer says,
 * with nothing between: no data, eof or drained comes. Input that was left goes
 * first. When one peer takes less than the other one says, that one is not
 * read; an end of file is passed on, and when one connection ends so does the
 * other: after its output if all went well, else with a reset. close comes as
 * usual. 0; or -1 and errno: EINVAL the same connection twice, one that is
 * piped already, or one of the blocking style; EPIPE one is closing, ENOMEM.
 */
TINE_EXPORT int tine_pipe(struct tine_conn *, struct tine_conn *);
/* ---- messages ---- */

/*
 * A codec cuts the input of a connection into messages, which the handler gets
 * as `frame`, and tine_reply() makes of a message what goes over the wire. It
 * is a constant, named by `.codec` together with `.frame`:
 *
 *	static const struct tine_codec codec = TINE_CODEC_LINE(1024);
 *	TINE_HANDLER(.name = "lines", .codec = &codec, .frame = lines_frame);
 *
 * What cannot be a message, or would be a longer one than the limit, closes the
 * connection with the cause TINE_FRAMING, when the answers to what came before
 * it are out.
 */

/* What decode found, or what it wants to be asked next time. */
struct tine_frame {
	/* A message was found: the bytes from the front that it took, at least
	 * 1; and the message. It lies within the input, or in memory of the
	 * codec's own, valid until decode is called again in this child. */
	size_t consumed;
	const void *bytes;
	size_t len;
	/* More is needed: do not ask before so many bytes are there; 0: ask
	 * when there are more than now. More than `limits.input` can never be
	 * there, which is the same as malformed. */
	size_t need;
	/* Of the bytes at the front, those that need not be searched again.
	 * Set when more is needed, and given back with the next call, where a
	 * new message begins with 0. */
	size_t seen;
};

/* How messages lie in the stream of bytes; made by TINE_CODEC or one of its
 * kind. */
struct tine_codec {
	size_t size; /* set by TINE_CODEC */
	/*
	 * Find a message at the front of the len bytes, at least 1. 1: found,
	 * see struct tine_frame; 0: it is not complete; -1: it is malformed or
	 * too long. Before -1 it may write what the peer is to read. Pure but
	 * for that: whether bytes come in one piece or in many must not matter.
	 */
	int (*decode)(const struct tine_codec *, struct tine_conn *,
	    const void *in, size_t len, struct tine_frame *);
	/*
	 * Write the message as it goes over the wire, all or nothing: as
	 * tine_write(), and EMSGSIZE, EINVAL. NULL: as tine_write().
	 */
	int (*encode)(const struct tine_codec *, struct tine_conn *,
	    const void *, size_t);

	/* What follows are the parameters of those below; a codec of your own
	 * may use them too, or be the first member of a struct of its own. */
	unsigned width;  /* of the length field: 1, 2, 3, 4 or 8 bytes */
	size_t limit;    /* largest message, bytes; never above limits.input,
	                   which is also meant by 0: see tine_codec_limit() */
	unsigned offset; /* bytes before the length field, 0 to 255 */
	int strip;       /* bytes cut off the front before the message,
	                           0 to 255; 0: all up to the end of the length
	                           field; TINE_STRIP_NONE: none */
	bool is_little_endian;  /* the length field; else big-endian */
	bool counts_all;        /* it counts everything from the first byte on,
	                           else what follows it */
	int64_t adjustment;     /* is added to what the length field says */
	const char *delimiter;  /* what ends a message */
	size_t delimiter_bytes; /* 1 to 255 */
};

#define TINE_STRIP_NONE (-1)

/*
 * TINE_CODEC(.decode = f, .encode = g) is a codec of your own. The built-in
 * ones take further parameters behind those named here, in the order of the
 * struct: TINE_CODEC_LENGTH(2, .limit = 4096, .is_little_endian = true).
 */
#define TINE_CODEC(...)                                                        \
	{                                                                      \
		.size = sizeof(struct tine_codec), __VA_ARGS__                 \
	}
/* What has arrived is a message, whatever it is. With a limit a longer one
 * comes in pieces. */
#define TINE_CODEC_RAW TINE_CODEC(.decode = tine_raw_decode)
/* TINE_CODEC_LINE(limit): a line ends with LF or CR LF, which are not part of
 * the message. Answers end with LF, or with the delimiter that is given; to the
 * peer a CR at the end of an answer is not part of it. */
#define TINE_CODEC_LINE(...)                                                   \
	TINE_CODEC(.decode = tine_line_decode, .encode = tine_line_encode,     \
	    .limit = __VA_ARGS__)
/* A message ends with the text, a string literal, which is not part of it. */
#define TINE_CODEC_DELIMITER(text, max)                                        \
	TINE_CODEC(.decode = tine_delimiter_decode,                            \
	    .encode = tine_delimiter_encode, .limit = (max),                   \
	    .delimiter = (text), .delimiter_bytes = sizeof(text) - 1)
/* Every message has this many bytes. */
#define TINE_CODEC_FIXED(bytes)                                                \
	TINE_CODEC(.decode = tine_fixed_decode, .encode = tine_fixed_encode,   \
	    .limit = (bytes))
/* TINE_CODEC_LENGTH(width): a message begins with its length. tine_reply()
 * takes what decode gives: it puts the bytes that were cut off in front again,
 * zero but for the length, which it writes to its place in any case. */
#define TINE_CODEC_LENGTH(...)                                                 \
	TINE_CODEC(.decode = tine_length_decode, .encode = tine_length_encode, \
	    .width = __VA_ARGS__)

/* The functions behind them, for a codec of your own that adds to one: the
 * contract is that of decode and encode above. First TINE_CODEC_RAW. */
TINE_EXPORT int tine_raw_decode(const struct tine_codec *, struct tine_conn *,
    const void *in, size_t len, struct tine_frame *);
/* decode of TINE_CODEC_LINE. */
TINE_EXPORT int tine_line_decode(const struct tine_codec *, struct tine_conn *,
    const void *in, size_t len, struct tine_frame *);
/* encode of TINE_CODEC_LINE. */
TINE_EXPORT int tine_line_encode(const struct tine_codec *, struct tine_conn *,
    const void *, size_t);
/* decode of TINE_CODEC_DELIMITER. */
TINE_EXPORT int tine_delimiter_decode(const struct tine_codec *,
    struct tine_conn *, const void *in, size_t len, struct tine_frame *);
/* encode of TINE_CODEC_DELIMITER. */
TINE_EXPORT int tine_delimiter_encode(const struct tine_codec *,
    struct tine_conn *, const void *, size_t);
/* decode of TINE_CODEC_FIXED. */
TINE_EXPORT int tine_fixed_decode(const struct tine_codec *, struct tine_conn *,
    const void *in, size_t len, struct tine_frame *);
/* encode of TINE_CODEC_FIXED. */
TINE_EXPORT int tine_fixed_encode(const struct tine_codec *, struct tine_conn *,
    const void *, size_t);
/* decode of TINE_CODEC_LENGTH. */
TINE_EXPORT int tine_length_decode(const struct tine_codec *,
    struct tine_conn *, const void *in, size_t len, struct tine_frame *);
/* encode of TINE_CODEC_LENGTH. */
TINE_EXPORT int tine_length_encode(const struct tine_codec *,
    struct tine_conn *, const void *, size_t);
/* The largest message on this connection: the codec's limit, and never more
 * than `limits.input`. */
TINE_EXPORT size_t tine_codec_limit(const struct tine_codec *,
    const struct tine_conn *);

/*
 * Write a message through the handler's codec; without one it is tine_write().
 * 0; or -1 and errno: as tine_write(), EMSGSIZE the message is longer than the
 * limit or not of the fixed size, EINVAL it contains the delimiter, so that the
 * peer would see two.
 */
TINE_EXPORT int tine_reply(struct tine_conn *, const void *, size_t);

/* ---- the connection ---- */

/* Reset it as soon as its callback has returned, as if that returned
 * TINE_ABORT. Unsent output is lost. Harmless twice. */
TINE_EXPORT void tine_abort(struct tine_conn *);
/* Tell the peer, when the output is out, that there will be no more; input goes
 * on. Ends the connection when the peer has ended his side. Harmless twice. 0;
 * or -1 with errno EPIPE: it is closing. */
TINE_EXPORT int tine_shutdown_write(struct tine_conn *);
/* Close when the output is out, as if the callback returned TINE_CLOSE. No
 * further data, eof or drained callback comes. Harmless twice. */
TINE_EXPORT void tine_close(struct tine_conn *);
/* The conn_size zeroed bytes beside this connection. */
TINE_EXPORT void *tine_state(struct tine_conn *);
/* A name for this connection that is never used again in this child. */
TINE_EXPORT uint64_t tine_handle(const struct tine_conn *);
/* A pointer of the handler's own for this connection, NULL at first; where each
 * connection has some, conn_size costs less. -1: ENOMEM. */
TINE_EXPORT int tine_set_context(struct tine_conn *, void *);
/* What was set. */
TINE_EXPORT void *tine_context(const struct tine_conn *);
/* Which listener of the server it came by, for tine_listener_url(); SIZE_MAX
 * when it was not accepted. */
TINE_EXPORT size_t tine_listener(const struct tine_conn *);
/* The keys of `timeouts`. */
enum tine_timeout {
	TINE_T_FIRST_BYTE,
	TINE_T_READ,
	TINE_T_WRITE,
	TINE_T_IDLE,
	TINE_T_LIFETIME
};
/*
 * Another timeout for this connection only, in seconds from now on; 0: none. It
 * means what the key of that name in `timeouts` means. -1 and errno: EINVAL,
 * ENOMEM, EPIPE when it is closed.
 */
TINE_EXPORT int tine_set_timeout(struct tine_conn *, enum tine_timeout,
    double seconds);
/* The child's view that this connection's handler was started with. */
TINE_EXPORT struct tine_child *tine_child(const struct tine_conn *);
/* Add n to the requests that status and metrics show. */
TINE_EXPORT void tine_count_requests(struct tine_conn *, unsigned n);

/* ---- the connection's socket ---- */

/*
 * The address of the other end. 0; or -1 and errno as of getpeername(2):
 * ENOTCONN when the peer has reset the connection. An IPv4 client of a socket
 * for both families is shown as AF_INET.
 */
TINE_EXPORT int tine_peer(const struct tine_conn *, struct sockaddr_storage *);
/* The same of our end, by getsockname(2). */
TINE_EXPORT int tine_local(const struct tine_conn *, struct sockaddr_storage *);
/* "127.0.0.1:4711", "[::1]:4711", "unix", or "gone" when the peer has reset the
 * connection; 80 bytes hold each. Returns dst. */
TINE_EXPORT const char *tine_peer_name(const struct tine_conn *, char *dst,
    size_t size);
/* Send small pieces at once (on, the default of `nodelay`) or let the kernel
 * gather them. This and the next: 0, also where it means nothing, as on a unix
 * socket; or -1 and errno as of setsockopt(2). */
TINE_EXPORT int tine_set_nodelay(struct tine_conn *, bool on);
/* Have the kernel probe a silent peer: after `idle` seconds, each `interval`
 * seconds, `count` times (tcp(7)). idle 0 ends it. It is no timeout of the
 * protocol: see tine_set_timeout(). */
TINE_EXPORT int tine_set_keepalive(struct tine_conn *, int idle, int interval,
    int count);
/* Bytes of the kernel's buffers (socket(7): the kernel doubles them and has
 * limits); 0 leaves one as it is. */
TINE_EXPORT int tine_set_buffers(struct tine_conn *, int receive, int send);
/* SO_LINGER of socket(7): 0 seconds makes the close a reset, a negative number
 * is the default. The server itself never waits. */
TINE_EXPORT int tine_set_linger(struct tine_conn *, int seconds);
/* The descriptor, to look at: it is the server's, and what closes it or changes
 * its flags breaks the child. */
TINE_EXPORT int tine_fd(const struct tine_conn *);
/* A close-on-exec descriptor of the same socket that is the caller's; or -1 and
 * errno: EMFILE. While it is open the peer sees no end. */
TINE_EXPORT int tine_dup(const struct tine_conn *);
/* Do writes still make sense: neither closed nor about to close? */
TINE_EXPORT bool tine_is_open(const struct tine_conn *);

/* ---- from elsewhere ---- */

/*
 * The calls marked ANY THREAD may be made from every thread of the child's
 * process, and outside of callbacks too. What they ask for happens on the loop,
 * in one of its next turns, never within the call: 0 means that it will, as
 * long as the connection is there then. They cost one wake-up of the loop,
 * however many there are between two of its turns. From the moment at which the
 * child leaves (its drain is over) they return -1 with errno ESHUTDOWN.
 *
 * Every other call of this header belongs to the loop's thread, that of the
 * callbacks. Made elsewhere it does nothing, and what it returns says so: -1,
 * NULL, 0 or false, with errno EPERM; the log blames the handler, once.
 */

/* How soon what is posted runs. */
enum tine_priority {
	TINE_ORDINARY, /* at most 256 of them in a turn: connections go first */
	TINE_URGENT    /* all that are there, in each turn */
};
/*
 * ANY THREAD: call fn(child, arg) on the loop, exactly once if this returns 0,
 * before stop() at the latest. What one thread posts with one priority runs in
 * that order. -1 and errno: ENOMEM, ESHUTDOWN.
 */
TINE_EXPORT int tine_post(struct tine_child *, enum tine_priority,
    void (*fn)(struct tine_child *, void *arg), void *arg);
/*
 * ANY THREAD: call data of the connection with what input it has left, which
 * may be none; one call for each wake. Nothing if it closes or is gone. This
 * and the three calls below are one queue, urgent: what one thread asks for is
 * done in that order. -1 and errno: ENOMEM, ESHUTDOWN.
 */
TINE_EXPORT int tine_wake(uint64_t handle);
/*
 * ANY THREAD: tine_write() of a copy of the bytes, in one piece. Lost if the
 * connection closes or is gone. They count as its output when the loop takes
 * them; if it has reached `output` by then, nobody is left to be refused, and
 * because no stream may have a hole the connection is reset (TINE_OVERFLOW).
 * -1 and errno: ENOMEM, ESHUTDOWN; EINVAL: n, or the sum, is impossible.
 */
TINE_EXPORT int tine_write_to(uint64_t handle, const void *, size_t);
/* ANY THREAD: the same of several pieces, which stay together. */
TINE_EXPORT int tine_writev_to(uint64_t handle, const struct iovec *, int n);
/* ANY THREAD: tine_close(). */
TINE_EXPORT int tine_close_handle(uint64_t handle);
/* The connection of this name until its close callback is called; then, and for
 * a number that is no name, NULL. Of all servers of this child. */
TINE_EXPORT struct tine_conn *tine_find_conn(uint64_t handle);

/*
 * Call fn(arg) in another thread, which may block, and then done(child, arg) on
 * the loop; done may be NULL. A child has at most `offload.threads` threads of
 * 256 KiB stack, made when they are needed, and at most that many and
 * `offload.queue` more of such work whose done was not called yet. While there
 * is some a draining child stays, until its drain-timeout; what is not done by
 * then is lost: its done is never called. fn may make the calls marked ANY
 * THREAD only, and must not end the thread.
 * -1 and errno: EAGAIN when there is no room, ENOTSUP with no threads
 * configured, ESHUTDOWN, ENOMEM.
 */
TINE_EXPORT int tine_offload(struct tine_child *, void (*fn)(void *arg),
    void (*done)(struct tine_child *, void *arg), void *arg);

struct tine_timer;
/*
 * Call fn(child, arg) in `after` seconds and then, unless `every` is 0, every
 * so many seconds (at least 0.001), in step with the first time. A time that
 * was missed because the loop was busy is left out. A timer that runs once is
 * gone after its callback; all stop with the child. NULL and errno: EINVAL
 * negative or no number, ENOSPC over a million timers of this server, ENOMEM.
 */
TINE_EXPORT struct tine_timer *tine_timer_start(struct tine_child *,
    double after, double every, void (*fn)(struct tine_child *, void *arg),
    void *arg);
/* Also from its own callback. NULL is accepted. */
TINE_EXPORT void tine_timer_stop(struct tine_timer *);

/* ---- connections that were not accepted ---- */

/*
 * Connect to a tcp, tcp4, tcp6 or unix URL, within so many seconds, the time to
 * look up its name included; names are looked up by a thread of tine_offload(),
 * and several addresses are tried one after the other. events has the callbacks
 * of this connection (start, stop, tick, options and flags mean nothing there)
 * and must stay as it is for the life of the child; NULL: those of the server's
 * own handler. They are callbacks: run is for tine_dial(). context is what
 * tine_context() gives.
 *
 * Returns a connection at once. What is written before open is sent after it.
 * open is called when it is connected; close exactly once, also when nothing
 * came of it and open was never called: cause TINE_ERROR, and err says why:
 * ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, ENOENT (no such name), EAGAIN (name
 * server, or a full unix queue). It counts as a connection of the child. NULL
 * and errno: EINVAL the URL, the seconds or the callbacks, EDESTADDRREQ no host
 * or port, EMFILE max-connections, EAGAIN the threads have enough to do, ENOMEM,
 * ESHUTDOWN the child leaves.
 */
TINE_EXPORT struct tine_conn *tine_connect(struct tine_child *,
    const struct tine_handler *events, const char *url, double timeout,
    void *context);
/*
 * Serve a connected stream socket that came from elsewhere; events and context
 * as above. open is called by the loop later, and then data with the unread
 * bytes, of which a copy is taken. On success fd is the server's (and becomes
 * non-blocking and close-on-exec), else it stays the caller's. NULL and errno:
 * ENOTSOCK a file, EINVAL not a stream, a listener, or the callbacks, ENOTCONN,
 * EMFILE max-connections, ENOMEM, EBADF, ESHUTDOWN the child leaves.
 */
TINE_EXPORT struct tine_conn *tine_adopt(struct tine_child *,
    const struct tine_handler *events, int fd, const void *unread, size_t len,
    void *context);

/* ---- blocking style ---- */

/*
 * A handler with run serves each connection by one coroutine: a function on a
 * stack of its own, whose calls below wait while the child serves others. No
 * two coroutines or callbacks of a child ever run at the same time, and one is
 * left for another only within these calls: data that they share needs no lock.
 * What waits in another way, as sleep(3) does, keeps the whole child waiting.
 *
 * A stack has 64 KiB, of which only the pages that were touched cost memory; a
 * function that runs over it ends the child by SIGSEGV, and the log says so.
 * Deep recursion and large arrays belong elsewhere. A child can have as many
 * coroutines as half of the system's vm.max_map_count (65530).
 *
 * The timeouts of the server (first-byte, read, idle, write, lifetime) close
 * the connection as they do with callbacks; calls of its coroutine fail then
 * with ETIMEDOUT. A draining child keeps the connection until run returns, up
 * to the drain-timeout (see tine_is_draining() and quiesce); then calls fail
 * with TINE_E_CLOSED. When the child ends, every call fails with TINE_E_CLOSED
 * at once, also those of coroutines without a connection: a coroutine that has
 * not returned after 16 of these is dropped as it stands.
 *
 * A stream is closed when the coroutine ends that got it, as the argument of
 * run or from tine_dial() or tine_stream_adopt(). It may still be named, by the
 * coroutines that this one has spawned, until the last of them has returned,
 * but no more than 64 closed streams are remembered. No other coroutine may
 * name it. One may read from a stream while another one writes to it; more get
 * EBUSY.
 *
 * Called outside of a coroutine these calls return -1 or NULL with errno EPERM,
 * and the log blames the handler. Errors that are not named with a call are
 * those of the connection: ECONNRESET and the like; and for each of them:
 */
/* It was closed by us: tine_stream_close(), tine_close(), a drain, the end of
 * the child. */
#define TINE_E_CLOSED ESHUTDOWN
/* End-of-file in the middle of what was to be read. */
#define TINE_E_UNEXPECTED_EOF ENODATA
/* What is no socket cannot be waited for. */
#define TINE_E_NOT_POLLABLE ENOTSOCK

/*
 * Read what there is, at most size bytes, and wait until there is something. 0:
 * end-of-file, now and with each call. -1 and errno: ETIMEDOUT the deadline has
 * passed, EBUSY another coroutine waits to read, EINVAL size is 0.
 */
TINE_EXPORT ssize_t tine_stream_read(struct tine_stream *, void *, size_t size);
/*
 * Read size bytes. 0: end-of-file before the first one. -1 and errno as above,
 * and TINE_E_UNEXPECTED_EOF; what has come by then is there for the next call.
 */
TINE_EXPORT ssize_t tine_stream_read_full(struct tine_stream *, void *,
    size_t size);
/*
 * Read up to the first byte that is the delimiter, and this too: returns how
 * many. 0: end-of-file before the first byte. -1 and errno as above, and
 * EMSGSIZE: it is not among size bytes, or `limits.input`; nothing is taken
 * then. While a part of it has come the read timeout runs.
 */
TINE_EXPORT ssize_t tine_stream_read_until(struct tine_stream *, int delimiter,
    void *, size_t size);
/*
 * Write all of it: wait while the output is above `output-high`. What was taken
 * is sent as tine_write() does it, at the latest when the coroutine waits. 0;
 * or -1 and errno: ETIMEDOUT the deadline has passed, EBUSY another coroutine
 * waits to write, EPIPE after tine_stream_shutdown_write(), ENOMEM. In any case
 * *taken (may be NULL) is the number of bytes that were taken.
 */
TINE_EXPORT int tine_stream_write(struct tine_stream *, const void *,
    size_t size, size_t *taken);
/*
 * Write to dst what comes from src, until end-of-file; returns how many bytes.
 * -1 and errno as of reading and writing; what was not taken by dst stays in
 * src.
 */
TINE_EXPORT int64_t tine_stream_copy(struct tine_stream *dst,
    struct tine_stream *src);
/*
 * From so many seconds from now on reading fails with ETIMEDOUT, calls that
 * wait already included, until the deadline is set anew; no byte is lost.
 * Negative: from now on; 0: never, as at first. -1 and errno: EINVAL no number.
 */
TINE_EXPORT int tine_stream_set_read_deadline(struct tine_stream *,
    double seconds);
/* The same for writing. */
TINE_EXPORT int tine_stream_set_write_deadline(struct tine_stream *,
    double seconds);
/* Tell the peer that nothing more comes, when the output is out; reading goes
 * on. Errors as tine_stream_write(). */
TINE_EXPORT int tine_stream_shutdown_write(struct tine_stream *);
/* Close when the output is out: who waits for the stream gets TINE_E_CLOSED.
 * Harmless twice. */
TINE_EXPORT int tine_stream_close(struct tine_stream *);
/* The connection, for its addresses, options, state and child; valid until the
 * next call that waits. NULL and errno when it is gone. */
TINE_EXPORT struct tine_conn *tine_stream_conn(struct tine_stream *);
/* Wait. 0; or -1 and errno: TINE_E_CLOSED, EINVAL negative or no number. */
TINE_EXPORT int tine_sleep(double seconds);
/*
 * Connect, as tine_connect() does, and wait for it. NULL and errno: why nothing
 * came of it, and as of tine_connect().
 */
TINE_EXPORT struct tine_stream *tine_dial(const char *url, double timeout);
/*
 * A connected stream socket that came from elsewhere. On success it is the
 * server's, else it stays the caller's. NULL and errno as of tine_adopt():
 * TINE_E_NOT_POLLABLE for a file.
 */
TINE_EXPORT struct tine_stream *tine_stream_adopt(int fd);
/*
 * Call fn(arg) as another coroutine, soon. It belongs to no connection: its end
 * closes the streams that it got itself, and a draining child does not wait for
 * it. Also from callbacks. -1 and errno: ENOMEM, TINE_E_CLOSED.
 */
TINE_EXPORT int tine_spawn(void (*fn)(void *arg), void *arg);
/* Wait until all that this coroutine has spawned have returned. 0; or -1 and
 * errno: TINE_E_CLOSED. */
TINE_EXPORT int tine_join(void);

/* ---- UDP ---- */

/*
 * The packet and its length; it may have none. Valid until tine_dgram_next() or
 * until the callback returns; the bytes are the server's and must not be
 * changed. Never NULL.
 */
TINE_EXPORT const void *tine_dgram_bytes(const struct tine_dgram *,
    size_t *len);
/*
 * Go to the next packet that came with this one: true, and all calls are about
 * that one from now on; false: this was the last. Those that a callback does
 * not ask for come in a call of their own, so that a handler need not use this.
 */
TINE_EXPORT bool tine_dgram_next(struct tine_dgram *);
/* Who sent it; valid as its bytes are. At a socket for both families one of
 * IPv4 is ::ffff:a.b.c.d. Anybody can write any sender into a packet. */
TINE_EXPORT const struct sockaddr *tine_dgram_peer(const struct tine_dgram *,
    socklen_t *len);
/* The child's view, as tine_child(). */
TINE_EXPORT struct tine_child *tine_dgram_child(const struct tine_dgram *);
/* Where it came in: the index of the URL among those of the server. */
TINE_EXPORT size_t tine_dgram_listener(const struct tine_dgram *);
/* It was longer than `read-cap`, and its end is lost. */
TINE_EXPORT bool tine_dgram_is_truncated(const struct tine_dgram *);
/*
 * Send a packet to who sent this one, from the address that it was sent to. The
 * bytes are taken over before the call returns, and go out with the other
 * answers of the batch. As always with UDP nobody says whether it arrives. 0;
 * or -1 and errno: EMSGSIZE it is longer than a packet can be, ENOBUFS `output`
 * was reached because the network does not take what waits (`dropped` counts
 * it).
 */
TINE_EXPORT int tine_dgram_reply(struct tine_dgram *, const void *, size_t);
/*
 * Send a packet to anybody from the port of this listener; from any callback.
 * Errors as tine_dgram_reply(), and ENOENT: it has no UDP listener of this
 * index; EAFNOSUPPORT: the address is of a family that it does not speak.
 */
TINE_EXPORT int tine_dgram_send(struct tine_child *, size_t listener,
    const struct sockaddr *, socklen_t, const void *, size_t);

/* ---- the child and the server's facts ---- */

/* A pointer of the handler's own for each child, NULL at first. */
TINE_EXPORT void tine_set_data(struct tine_child *, void *);
/* What was set. */
TINE_EXPORT void *tine_data(const struct tine_child *);
/*
 * ANY THREAD: the value of a declared option as text: the default when it was
 * not given, NULL when there is no default. PATH and FOLDER are absolute; TEXT
 * has its escapes resolved, and len (may be NULL) gets its length.
 */
TINE_EXPORT const char *tine_option(const struct tine_child *, const char *name,
    size_t *len);
/* ANY THREAD: the number: INT as is, BOOL 0 or 1, SIZE bytes, DURATION
 * milliseconds; 0 when it is not set. */
TINE_EXPORT int64_t tine_option_int(const struct tine_child *,
    const char *name);
/* Why start returns something else than TINE_OK: one line for the operator. */
TINE_EXPORT void tine_set_error(struct tine_child *, const char *fmt, ...)
    TINE_PRINTF(2, 3);
/* ANY THREAD: this child's place, 0 to tine_count() - 1. A successor has the
 * place of the child it replaces. */
TINE_EXPORT int tine_place(const struct tine_child *);
/* ANY THREAD: how many children the server runs. */
TINE_EXPORT int tine_count(const struct tine_child *);
/* ANY THREAD: the generation of the configuration this child belongs to, from
 * 1. */
TINE_EXPORT unsigned tine_generation(const struct tine_child *);
/* ANY THREAD: on how many addresses this handler's server listens; a host name
 * stands for each address that it has. */
TINE_EXPORT size_t tine_listeners(const struct tine_child *);
/*
 * ANY THREAD: one of them, as status shows it: "tcp://127.0.0.1:8080", with the
 * real port where 0 was asked for. The text belongs to the server and lives as
 * long as the child; NULL when i is not less than tine_listeners().
 */
TINE_EXPORT const char *tine_listener_url(const struct tine_child *, size_t i);
/*
 * ANY THREAD: how the children shared these addresses when this child was born:
 * "reuseport" (each has a socket of its own; not so for unix sockets), "shared"
 * or "dispatch". A constant text.
 */
TINE_EXPORT const char *tine_accept_mode(const struct tine_child *);
/* The child is leaving: finish, then say goodbye. */
TINE_EXPORT bool tine_is_draining(const struct tine_child *);
/* "reload", "upgrade", "scale", "recycle", "stop" or "operator"; NULL while
 * the child does not drain. */
TINE_EXPORT const char *tine_drain_reason(const struct tine_child *);
/*
 * Events have to wait for longer than overload.lag: a handler that can do its
 * work more cheaply, or refuse some of it, should. False again when they did
 * not for a second, by half of that.
 */
TINE_EXPORT bool tine_is_overloaded(const struct tine_child *);
/* A number that only rises, see tine_counter(). */
struct tine_counter;
/*
 * The counter of this name: one letter of a to z, then at most 47 of a to z, 0
 * to 9 and _. The sum over all children is shown by `tinectl status`, in
 * status --json under "counters" and in metrics as tine_handler_NAME_total, and
 * does not fall when a child ends. The same name is the same counter, for all
 * handlers of a child; it lives as long as the child. NULL and errno: EINVAL it
 * is no such name; ENOSPC the child has 32 already.
 */
TINE_EXPORT struct tine_counter *tine_counter(struct tine_child *,
    const char *name);
/* Add n, without a lock or a call into the system; nothing for NULL. */
TINE_EXPORT void tine_counter_add(struct tine_counter *, uint64_t n);
/* Wall clock of this turn of the loop in seconds since 1970; no system call. */
TINE_EXPORT double tine_time(const struct tine_child *);
/* ANY THREAD: the server's version, "0.1.0". */
TINE_EXPORT const char *tine_version(void);

/* How much a line matters; the server's log-level says which are written. */
enum tine_level {
	TINE_LOG_ERROR,
	TINE_LOG_WARN,
	TINE_LOG_INFO,
	TINE_LOG_DEBUG
};
/*
 * One line to the server's log, marked with the child and, unless NULL, the
 * connection. Control characters are escaped; a long line is cut. At most 100
 * lines a second are written for a child, and the number of those left out:
 * clients may cause them. The level debug has no limit.
 */
TINE_EXPORT void tine_log(const struct tine_conn *, enum tine_level,
    const char *fmt, ...) TINE_PRINTF(3, 4);

/* ---- a program of its own ---- */

/*
 * Be a whole tine server: all options, signals, reload, upgrade and tinectl, as
 * tine(8) describes them, with a handler that is the default where none is
 * named, so that KEY=VALUE arguments are its options. It can also be named, and
 * stands before a built-in one of that name. An upgrade runs the program's file
 * anew. NULL: no handler, which is tine itself.
 *
 *     int main(int argc, char **argv)
 *     {
 *             return tine_main(argc, argv, &tine_handler);
 *     }
 *
 * Link with -ltine. argc and argv are main's own, unchanged: process titles are
 * written over them. Call it once, first of all, before there are threads: what
 * main() does before it, and constructors of the program and its libraries, run
 * in the master too, with all its rights and at each upgrade. The handler's
 * callbacks do not. The struct must live as long as the program. Returns the
 * exit code, in the process that called; its children never return.
 */
TINE_EXPORT int tine_main(int argc, char **argv, const struct tine_handler *);

#ifdef __cplusplus
}
#endif

#endif
