//! The whole flow offline: plan, apply, apply again, look, undo. Needs no account and no cluster.
//!
//! `cargo run -p irsa-examples --example sandbox`

use irsa_core::{ErrorKind, IrsaBinding, Request, Result, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = Sandbox::new().client();
    let binding = IrsaBinding::builder("sandbox", "default", "my-serviceaccount")
        .with_policy("AmazonS3ReadOnlyAccess")
        .with_tag("team", "data")
        .build()?;

    let plan = client.plan(&Request::create(binding.clone())).await?;
    show("would do", &plan.report());
    let report = client.apply(&plan).await?;
    show("did", &report);

    let again = client.run(&Request::create(binding.clone())).await?;
    assert!(!again.changed, "a second run changes nothing");

    let view = client.get(&"sandbox".parse()?, &binding.namespace, &binding.service_account, None).await?;
    show_line(&format!(
        "{}/{} -> {} ({})",
        view.namespace,
        view.service_account,
        view.annotation.unwrap_or_default(),
        view.state.as_str()
    ));

    // Bad input is refused before anything is called, with the field, the value and the rule.
    if let Err(refused) = IrsaBinding::builder("sandbox", "default", "My_SA").build() {
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        show_line(&refused.to_string());
    }

    show("undid", &client.run(&Request::delete(binding)).await?);
    Ok(())
}

fn show(title: &str, report: &irsa_core::Report) {
    for step in &report.steps {
        show_line(&format!("{title}: {} {}", step.action, step.target));
    }
}

#[allow(clippy::print_stdout)] // An example shows what it does.
fn show_line(line: &str) {
    println!("{line}");
}
