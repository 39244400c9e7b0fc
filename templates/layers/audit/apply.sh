# The gate: every row of the security document, as this host is now. A row that fails, fails `pulumi up`.
# It runs again whenever another layer changes:
{{#layers}}
#   {{{name}}} {{{digest}}}
{{/layers}}
report=$(/usr/local/vps-scripts/monoclaw-security --json) || : # a FAIL row says so itself; no report at all fails below
summary=$(
  python3 - "$report" <<'PYTHON'
import json, sys
report = json.loads(sys.argv[1])
for row in report["rows"]:
    if row["status"] != "PASS":
        print(f"{row['status']} {row['row']}: {row['detail']}")
print(f"{report['pass']} pass, {report['warn']} warn, {report['fail']} fail")
PYTHON
) || fail 'monoclaw-security gave no report'
while IFS= read -r line; do
  progress "$line"
done <<<"$summary"
[[ $summary == *', 0 fail' ]] ||
  fail "the host isn't as the security document says: $(sed -n 's/^FAIL //p' <<<"$summary" | paste -sd';')." \
    'To mend what has drifted, run on the host: sudo monoclaw-config repair; then pulumi up'
