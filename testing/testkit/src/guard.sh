# Runs a program that must not outlive the test process.
#
# Arguments: a folder to remove at the end, the log file, the program and its arguments. Standard
# input is a pipe that the test process holds open; each line in it names a signal for the program.
# When the pipe closes, because the test is done or was killed, everything in this process group
# goes: the program, what it started, and this script. So the script must lead its own group.
dir=$1
log=$2
shift 2

"$@" </dev/null >>"$log" 2>&1 &
program=$!
trap 'ends=yes; kill -s KILL "$program"' TERM

exec 3<&0
{
  while read -r signal; do kill -s "$signal" "$program"; done
  # The folder first, since nothing here survives the end.
  rm -rf "$dir"
  kill -s TERM $$
  # Reached if the program had ended before: what it may have left.
  sleep 1
  kill -s KILL 0
} <&3 >/dev/null 2>&1 &
exec 3<&-

echo "$program"
exec >&-
# Passes on how the program ended. The reader above stays, for what the program may have left.
wait "$program"
code=$?
if [ "${ends-}" ]; then
  # Killed along with this script, it might still hold its ports when this one is gone.
  wait "$program"
  kill -s KILL 0
fi
exit "$code"
