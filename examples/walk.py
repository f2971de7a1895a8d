"""A walk through irsa, cell by cell, for an editor or a notebook that knows `# %%`. It needs no AWS and no cluster.

For the real thing make the client with `irsa.Client("my-cluster")`; all the rest stays as it is.
"""

# %% A client. This one keeps all that it makes in memory, and is as strict as AWS and the API server are.
import irsa

client = irsa.Client.sandbox()

# %% What is wanted: a role for the service account `default/reader`, which may read from S3.
binding = irsa.Binding("default", "reader", policies=["AmazonS3ReadOnlyAccess"])
print(binding)

# %% What would be done. Everything is checked; nothing is written.
plan = client.plan(binding)
for step in plan.steps:
    print(step.outcome, step.action, step.target)

# %% Do it. The report says what was done; a second run finds nothing to do.
report = client.apply(binding)
print(report.role_arn, report.changed)
again = client.apply(binding)
assert not again.changed, "a second run changes nothing"

# %% How it stands.
view = client.get("default", "reader")
print(view.state, view.managed_policies, view.annotation)

# %% Change it: another policy, and a second service account that may assume the same role.
client.update("default", "reader", add_policies=["AmazonSQSReadOnlyAccess"], add_subjects=["default/second"])
print(client.get("default", "second").subjects)

# %% Who can really assume the role?
for subjects in client.who_can("sandbox-default-reader").subjects:
    print(subjects.decision, subjects.pattern, subjects.service_accounts)
check = client.check_trust("sandbox-default-reader", subject="default/somebody")
print(check.decision, *check.reasons)

# %% Mistakes are found before the first write, and say what to do.
try:
    client.apply(irsa.Binding("default", "reader", policies=["AmazonS3ReadOnly"]))
except irsa.NotFoundError as error:
    print(error)
    print("hint:", error.hint)

# %% Undo it. Twice is fine.
for account in ("second", "reader", "reader"):
    print(client.delete("default", account).changed)
assert client.list() == ()
