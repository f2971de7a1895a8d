//! Warnings that an API server sends with its answers, on their way from a back end to the report.
//!
//! They belong to no value that a call returns, and any call may bring some. So a back end passes them on by
//! [`pass_on_warning`], and whoever plans or applies a request collects those of its own calls.

use std::cell::RefCell;

use futures::future::BoxFuture;

use crate::report::{Warning, WarningId};

/// The most warnings that are kept of one plan or apply. An API server that sends more is broken, or is not one.
const MAX_WARNINGS: usize = 20;
/// The most characters of one warning; the API server itself cuts them at 256 once there are many.
const MAX_LENGTH: usize = 1024;

tokio::task_local! {
    static COLLECTED: RefCell<Vec<String>>;
}

/// Passes a warning of an API server on to whoever plans or applies the request that the call belongs to. Outside of both it
/// is only logged. For back ends: call it in the future of the call that brought the warning, not in a task of its own.
///
/// Control characters become spaces, and what is longer than 1024 characters is cut. Each text counts once.
pub fn pass_on_warning(text: &str) {
    let text = bounded(text);
    if text.is_empty() {
        return;
    }
    let collected = COLLECTED.try_with(|collected| {
        let mut collected = collected.borrow_mut();
        if collected.len() <= MAX_WARNINGS && !collected.contains(&text) {
            collected.push(text.clone());
        }
    });
    if collected.is_err() {
        log(&text);
    }
}

/// Does the work, and returns its result with the warnings that its calls brought. A warning that `known` has is left out.
pub(crate) async fn collect_warnings<T>(known: &[Warning], work: BoxFuture<'_, T>) -> (T, Vec<Warning>) {
    let (result, mut texts) = COLLECTED
        .scope(RefCell::default(), async {
            let result = work.await;
            (result, COLLECTED.with(RefCell::take))
        })
        .await;
    if texts.len() > MAX_WARNINGS {
        texts.truncate(MAX_WARNINGS);
        texts.push(format!("it sent more than {MAX_WARNINGS} warnings; the others are left out"));
    }
    let warnings = texts.iter().map(|text| (text, Warning::new(WarningId::ApiServer, format!("API server: {text}"))));
    let new = warnings.filter(|(_, warning)| !known.contains(warning));
    let new = new.map(|(text, warning)| {
        log(text);
        warning
    });
    (result, new.collect())
}

fn log(text: &str) {
    tracing::warn!(id = WarningId::ApiServer.as_str(), "API server: {text}");
}

fn bounded(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = plain.clone().take(MAX_LENGTH).collect();
    if plain.count() > MAX_LENGTH {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn collected(texts: &[&str], known: &[Warning]) -> Vec<String> {
        let work = async {
            for text in texts {
                pass_on_warning(text);
                tokio::task::yield_now().await;
            }
        };
        collect_warnings(known, work.boxed()).await.1.into_iter().map(|warning| warning.message).collect()
    }

    #[tokio::test]
    async fn each_warning_is_collected_once_by_those_whose_call_it_was() {
        let (one, other) = futures::join!(collected(&["a", "b", "a", " "], &[]), collected(&["c"], &[]));
        assert_eq!(one, ["API server: a", "API server: b"]);
        assert_eq!(other, ["API server: c"]);
        let known = [Warning::new(WarningId::ApiServer, "API server: a")];
        assert_eq!(collected(&["a", "b"], &known).await, ["API server: b"]);
        pass_on_warning("nobody collects it");
    }

    #[tokio::test]
    async fn warnings_are_bounded_in_number_and_length() {
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let kept = collected(&many, &[]).await;
        assert_eq!(kept.len(), MAX_WARNINGS + 1);
        assert_eq!(kept[MAX_WARNINGS], "API server: it sent more than 20 warnings; the others are left out");
        let long = "é".repeat(100_000);
        let kept = collected(&[&long, "a\u{1b}[2J\nb"], &[]).await;
        assert_eq!(kept[0].chars().count(), "API server: ".len() + MAX_LENGTH + 1);
        assert_eq!(kept[1], "API server: a [2J b");
    }
}
