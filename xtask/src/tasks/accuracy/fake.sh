#!/bin/sh
# Stands in for `vmwright` in the tests of `accuracy`: answers with the file `answer` of the evidence, and refuses a
# call that is not as documented or that could see the label.
[ "$1 $2 $4 $6 $7" = 'analyze --from --symptom-file --format json' ] || exit 2
[ -f "$5" ] && [ ! -e "$3/../case.toml" ] || exit 2
cat "$3/answer"
exit "$(cat "$3/status")"
