# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Completion of tine and tinectl in bash. Options, commands and handlers are
# asked from the programs, so they are those of the version that is installed.

# The options of a program: every word of its --help that looks like one.
_tine_options() {
	"$1" --help 2>/dev/null | grep -oE '(^ +|, )-{1,2}[[:alpha:]][[:alpha:]-]*' |
		tr -d ' ,'
}

# The built-in handlers, or the options of one: NAME=, each on a line.
_tine_handlers() {
	"$1" --handlers 2>/dev/null | awk -v handler="${2-}" '
		/^[^ ]/ { name = $1; if (handler == "") print name; next }
		name == handler { sub(/=.*/, "=", $1); print $1 }'
}

_tinectl_commands() {
	"$1" --help 2>/dev/null | sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p'
}

_tine_reply() {
	local word=$1

	mapfile -t COMPREPLY < <(compgen "${@:2}" -- "$word")
}

# The handler that stands on the command line already, if any.
_tine_handler() {
	local i skip=0 word

	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((skip)); then
			skip=0
			continue
		fi
		case $word in
		-[lnabcopuCAL] | --listen | --processes | --accept | --balance | \
			--config | --option | --pid-file | --user | --control | \
			--admin | --log | --log-level)
			skip=1
			;;
		-*) ;;
		*)
			echo "$word"
			return
			;;
		esac
	done
}

_tine() {
	local word=$2 before=$3 handler

	case $before in
	-a | --accept) _tine_reply "$word" -W 'auto reuseport shared' ;;
	-n | --processes) _tine_reply "$word" -W auto ;;
	-u | --user) _tine_reply "$word" -u ;;
	--log-level) _tine_reply "$word" -W 'error warn info debug' ;;
	-L | --log) _tine_reply "$word" -W 'stderr syslog' -f ;;
	-C | --control) _tine_reply "$word" -W none -f ;;
	-c | --config | -p | --pid-file) _tine_reply "$word" -f ;;
	-l | --listen | -A | --admin)
		_tine_reply "$word" -W 'tcp:// tcp4:// tcp6:// unix://'
		;;
	-b | --balance | -o | --option) COMPREPLY=() ;;
	*)
		handler=$(_tine_handler)
		if [[ $word == -* ]]; then
			_tine_reply "$word" -W "$(_tine_options "$1")"
		elif [ -n "$handler" ]; then
			compopt -o nospace 2>/dev/null
			_tine_reply "$word" -W "$(_tine_handlers "$1" "$handler")"
		else
			_tine_reply "$word" -W "$(_tine_handlers "$1")"
			mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < \
				<(compgen -f -X '!*.so' -- "$word")
		fi
		;;
	esac
}

_tinectl() {
	local word=$2 before=$3

	case $before in
	-C | --control) _tine_reply "$word" -f ;;
	--timeout) COMPREPLY=() ;;
	drain | kill)
		_tine_reply "$word" -W "$("$1" status 2>/dev/null |
			awk '/^PLACE/ { on = 1; next } on && $1 ~ /^[0-9]+$/ { print $1 }')"
		;;
	log-level) _tine_reply "$word" -W 'error warn info debug' ;;
	status) _tine_reply "$word" -W '--json' ;;
	scale) _tine_reply "$word" -W '+1 -1 auto' ;;
	stop) _tine_reply "$word" -W '--now' ;;
	*)
		if [[ $word == -* ]]; then
			_tine_reply "$word" -W "$(_tine_options "$1")"
		else
			_tine_reply "$word" -W "$(_tinectl_commands "$1")"
		fi
		;;
	esac
}

complete -o default -F _tine tine
complete -F _tinectl tinectl
