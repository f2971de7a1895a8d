"""Turns `irsa list -o json` into Helm values: the service account and its role for each chart.

Usage: irsa list --role-only -o json | python3 helm_values.py CHART=SERVICE_ACCOUNT... > values.json

A chart that is not named gets the name of the service account without `-sa`. JSON is YAML, so that `helm -f` reads it.
"""

import json
import sys


def main() -> None:
    charts = {account: chart for chart, _, account in (argument.partition("=") for argument in sys.argv[1:])}
    bindings = json.load(sys.stdin)
    if not isinstance(bindings, list):  # what `irsa list` prints where it fails
        sys.exit("there is no list of bindings: irsa says why")
    values = {}
    for binding in bindings:
        account = binding["service_account"]
        values[charts.get(account, account.removesuffix("-sa"))] = {
            "serviceAccount": {
                "create": True,
                "name": account,
                "annotations": {"eks.amazonaws.com/role-arn": binding["role_arn"]},
            }
        }
    json.dump(values, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
