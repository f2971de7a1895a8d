//! Bad input: whatever is no trust policy is an error that says where, never a panic and never a decision.

use irsa_core::trust::{Decision, TrustDocument, WebIdentityCaller};
use irsa_core::{Error, ErrorKind};
use serde_json::{Value, json};

use super::generate::OWN;

/// A document with every element, some of them as lists.
fn whole() -> Value {
    json!({
        "Version": "2012-10-17",
        "Id": "trust",
        "Statement": [
            {
                "Sid": "Tokens",
                "Effect": "Allow",
                "Principal": {"Federated": OWN, "Service": ["ec2.amazonaws.com"]},
                "Action": ["sts:AssumeRoleWithWebIdentity"],
                "Condition": {
                    "StringEquals": {"oidc.example.com/id/A:aud": "sts.amazonaws.com"},
                    "StringLike": {"oidc.example.com/id/A:sub": ["system:serviceaccount:a:*", "b"]},
                },
            },
            {"Effect": "Deny", "Principal": "*", "NotAction": "sts:*"},
        ],
    })
}

fn caller() -> WebIdentityCaller {
    WebIdentityCaller::new(OWN.parse().unwrap(), "system:serviceaccount:a:b", "sts.amazonaws.com")
}

/// All that an error says, from what to why.
fn words(error: &Error) -> String {
    format!("{error} {}", error.causes().join(" "))
}

/// An error of this kind that says this much.
fn refused(what: &str, text: &str, place: &str) {
    let error = match TrustDocument::parse(text) {
        Err(error) => error,
        Ok(document) => panic!("{what} was read, and says {:?}", document.check(&caller())),
    };
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
    assert!(words(&error).contains(place), "{what} names no place {place:?}: {}", words(&error));
    assert!(words(&error).len() < 2_000, "{what}: an error of {} characters", words(&error).len());
}

/// The same for a value that is JSON already.
fn refused_value(what: &str, value: &Value, place: &str) {
    refused(what, &value.to_string(), place);
    let error = TrustDocument::from_value(value).map(|document| document.check(&caller())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
    assert!(words(&error).contains(place), "{what} names no place {place:?}: {}", words(&error));
}

#[test]
fn the_whole_document_is_read() {
    assert_eq!(TrustDocument::from_value(&whole()).unwrap().decide(&caller()), Decision::Allow);
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (what, text, place) in [
        ("nothing", "", "line 1"),
        ("white space", " \n\t ", "line 2"),
        ("words", "allow", "line 1, column 1"),
        ("a single quote", "{'Version': '2012-10-17'}", "line 1, column 2"),
        ("a comment", "{\n  // all\n}", "line 2, column 3"),
        ("YAML", "Version: 2012-10-17\nStatement: []\n", "line 1, column 1"),
        ("a comma too many", "{\"Statement\": [],\n}", "line 2, column 1"),
        ("two documents", "{\"Statement\": []} {\"Statement\": []}", "line 1, column 19"),
        ("URL-encoded", "%7B%22Statement%22%3A%5B%5D%7D", "line 1, column 1"),
        ("a NUL behind it", "{\"Statement\": []}\u{0}", "line 1"),
        ("a NUL within a text", "{\"Statement\": [], \"Id\": \"\u{0}\"}", "line 1"),
        ("a byte order mark", "\u{feff}{\"Statement\": []}", "line 1"),
        ("a lone surrogate", "{\"Statement\": [], \"Id\": \"\\ud800\"}", "line 1"),
        ("no number", "{\"Statement\": [], \"Id\": NaN}", "line 1"),
        ("a number beyond all", "{\"Statement\": [], \"Id\": 1e999}", "line 1"),
    ] {
        refused(what, text, place);
    }
}

#[test]
fn what_is_cut_off_is_refused() {
    let text = serde_json::to_string_pretty(&whole()).unwrap();
    assert!(text.is_ascii());
    for end in 0..text.len() {
        refused("a document that is cut off", &text[..end], "line ");
    }
    for end in 1..text.len() {
        // A document without its beginning may be any JSON, but none that allows.
        if let Ok(document) = TrustDocument::parse(&text[end..]) {
            panic!("{} was read: {document:?}", &text[end..]);
        }
    }
}

#[test]
fn a_byte_more_or_less_never_panics_nor_opens() {
    let text = whole().to_string();
    for at in 0..text.len() {
        for byte in ["", "\"", "}", "\\", "\u{0}", "\u{20ac}", "{", "*"] {
            let changed = format!("{}{byte}{}", &text[..at], &text[at + 1..]);
            if let Ok(document) = TrustDocument::parse(&changed) {
                let _ = document.check(&caller());
                assert!(changed.contains("\"Allow\"") || document.decide(&caller()) == Decision::Deny, "{changed}");
            }
        }
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    for (what, value) in [
        ("null", json!(null)),
        ("a text", json!("Allow")),
        ("a number", json!(1)),
        ("a truth", json!(true)),
        ("a list", json!([])),
        ("a list of policies", json!([whole()])),
        ("an empty object", json!({})),
        ("a version alone", json!({"Version": "2012-10-17"})),
        ("a statement alone", whole()["Statement"][0].clone()),
        ("what get-role prints", json!({"Role": {"AssumeRolePolicyDocument": whole()}})),
        ("a statement of another name", json!({"statement": []})),
        ("null for statements", json!({"Statement": null})),
        ("a text for statements", json!({"Statement": "Allow"})),
    ] {
        refused_value(what, &value, "");
    }
}

#[test]
fn size_is_bounded() {
    let padded = |length: usize| {
        let mut text = whole().to_string();
        let padding = " ".repeat(length - text.len());
        text.insert_str(1, &padding);
        text
    };
    assert!(TrustDocument::parse(&padded(131_072)).is_ok(), "IAM's wire limit is 131,072 characters");
    refused("one character too many", &padded(131_073), "131");
    refused("twenty megabytes", &padded(20_000_000), "131");
    let mut long = whole();
    long["Statement"][0]["Condition"]["StringLike"]["oidc.example.com/id/A:sub"] = "a".repeat(131_072).into();
    refused_value("a value that is too long", &long, "131");
    let many = json!({"Statement": vec![whole()["Statement"][0].clone(); 2_000]});
    refused_value("too many statements", &many, "131");
}

#[test]
fn depth_is_bounded() {
    for deep in ["[", "{\"a\":", "{\"Statement\":", "{\"Statement\":[{\"Condition\":", "[{\"Statement\":"] {
        for levels in [200, 2_000, 100_000] {
            refused("a deep text", &deep.repeat(levels), "");
        }
    }
    let closed = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    refused("a deep text that ends", &closed, "line 1");
    // Dropping a value of serde_json recurses, so that a test cannot hold a much deeper one either.
    let deep = |levels| (0..levels).fold(json!("a"), |inner, _| json!([inner]));
    for place in ["Id", "Statement"] {
        let mut document = whole();
        document[place] = deep(1_000);
        assert_eq!(TrustDocument::from_value(&document).unwrap_err().kind(), ErrorKind::InvalidInput, "{place}");
    }
    let mut document = whole();
    document["Statement"][0]["Condition"]["StringLike"]["oidc.example.com/id/A:sub"] = deep(1_000);
    assert_eq!(TrustDocument::from_value(&document).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let text = whole().to_string();
    for key in [
        "Version",
        "Id",
        "Statement",
        "Sid",
        "Effect",
        "Principal",
        "Federated",
        "Service",
        "Action",
        "Condition",
        "StringEquals",
        "oidc.example.com/id/A:aud",
        "StringLike",
        "oidc.example.com/id/A:sub",
    ] {
        let at = text.find(&format!("\"{key}\":")).unwrap();
        let twice = format!("{}\"{key}\":\"a\",{}", &text[..at], &text[at..]);
        refused(&format!("{key} twice"), &twice, "line 1");
    }
    refused("the same key in other letters", r#"{"Statement": [], "\u0053tatement": []}"#, "line 1");
}

#[test]
fn text_beyond_latin_1_is_refused() {
    for beyond in ["\u{20ac}", "\u{100}", "\u{4f60}", "\u{1f600}", "\u{feff}"] {
        for pointer in [
            "/Id",
            "/Version",
            "/Statement/0/Sid",
            "/Statement/0/Effect",
            "/Statement/0/Action/0",
            "/Statement/0/Principal/Federated",
            "/Statement/0/Condition/StringEquals/oidc.example.com~1id~1A:aud",
            "/Statement/1/NotAction",
        ] {
            let mut document = whole();
            *document.pointer_mut(pointer).unwrap() = beyond.into();
            refused_value(&format!("{beyond:?} at {pointer}"), &document, "");
        }
        let mut document = whole();
        document["Statement"][0]["Condition"]["StringEquals"][beyond] = "a".into();
        refused_value(&format!("{beyond:?} as a key"), &document, "");
        let escaped: String = beyond.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        refused(&format!("{beyond:?} escaped"), &format!("{{\"Statement\": [], \"Id\": \"{escaped}\"}}"), "");
    }
    let mut latin = whole();
    latin["Statement"][0]["Condition"]["StringLike"]["oidc.example.com/id/A:sub"] = "\u{ff}*".into();
    assert_eq!(TrustDocument::from_value(&latin).unwrap().decide(&caller()), Decision::Deny);
}

/// What no element may be, by its place.
#[test]
fn wrong_types_are_refused_with_the_statement() {
    let statement = "statement";
    for (pointer, right, place) in [
        ("/Version", &["text"][..], ""),
        ("/Id", &["text"], ""),
        ("/Statement", &["list", "object"], ""),
        ("/Statement/0", &["object"], ""),
        ("/Statement/1", &["object"], "2"),
        ("/Statement/0/Sid", &["text"], ""),
        ("/Statement/0/Effect", &[], "Tokens"),
        ("/Statement/0/Action", &["text", "list"], "Tokens"),
        ("/Statement/0/Action/0", &["text"], "Tokens"),
        ("/Statement/0/Principal", &["object", "text"], "Tokens"),
        ("/Statement/0/Principal/Federated", &["text", "list"], "Tokens"),
        ("/Statement/0/Principal/Service/0", &["text"], "Tokens"),
        ("/Statement/0/Condition", &["object"], "Tokens"),
        ("/Statement/0/Condition/StringEquals", &["object"], "Tokens"),
        (
            "/Statement/0/Condition/StringEquals/oidc.example.com~1id~1A:aud",
            &["text", "list", "number", "truth"],
            "Tokens",
        ),
        ("/Statement/0/Condition/StringLike/oidc.example.com~1id~1A:sub/1", &["text", "number", "truth"], "Tokens"),
        ("/Statement/1/NotAction", &["text", "list"], statement),
    ] {
        for (kind, value) in [
            ("null", json!(null)),
            ("truth", json!(true)),
            ("number", json!(1)),
            ("text", json!("Allowed")),
            ("list", json!([])),
            ("object", json!({})),
            ("list of lists", json!([[]])),
            ("list of objects", json!([{}])),
            ("list with null", json!(["a", null])),
        ] {
            if right.contains(&kind) {
                continue;
            }
            let mut document = whole();
            *document.pointer_mut(pointer).unwrap() = value;
            refused_value(&format!("{kind} at {pointer}"), &document, place);
        }
    }
}

#[test]
fn unknown_and_missing_elements_are_refused() {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = whole();
        change(&mut document);
        document
    };
    for (what, document, place) in [
        ("an unknown element", changed(&|d| d["Comment"] = "a".into()), "Comment"),
        ("an element in small letters", changed(&|d| d["version"] = "2012-10-17".into()), "version"),
        ("an unknown element of a statement", changed(&|d| d["Statement"][0]["Comment"] = "a".into()), "Comment"),
        ("conditions", changed(&|d| d["Statement"][0]["Conditions"] = json!({})), "Conditions"),
        ("an effect in small letters", changed(&|d| d["Statement"][0]["Effect"] = "allow".into()), "Tokens"),
        ("an effect in capitals", changed(&|d| d["Statement"][0]["Effect"] = "ALLOW".into()), "Tokens"),
        ("an effect with a space", changed(&|d| d["Statement"][0]["Effect"] = "Allow ".into()), "Tokens"),
        ("an effect in a list", changed(&|d| d["Statement"][0]["Effect"] = json!(["Allow"])), "Tokens"),
        ("both actions", changed(&|d| d["Statement"][0]["NotAction"] = "a".into()), "Tokens"),
        ("no effect", changed(&|d| drop(d["Statement"][0].as_object_mut().unwrap().remove("Effect"))), "Tokens"),
        ("no action", changed(&|d| drop(d["Statement"][0].as_object_mut().unwrap().remove("Action"))), "Tokens"),
        (
            "no action of the second",
            changed(&|d| drop(d["Statement"][1].as_object_mut().unwrap().remove("NotAction"))),
            "2",
        ),
        ("an empty statement", changed(&|d| d["Statement"][0] = json!({})), ""),
        ("a list in the list", changed(&|d| d["Statement"] = json!([[]])), ""),
    ] {
        refused_value(what, &document, place);
    }
}

/// A document that IAM would not store is evaluated all the same, with a note that says why.
#[test]
fn what_iam_refuses_is_noted() {
    let statement = |more: Value| {
        let mut statement = json!({"Sid": "Tokens", "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity"});
        statement["Principal"] = json!({"Federated": OWN});
        for (key, value) in more.as_object().unwrap() {
            if value.is_null() {
                statement.as_object_mut().unwrap().remove(key);
            } else {
                statement[key] = value.clone();
            }
        }
        statement
    };
    let other = |more| json!({"Version": "2012-10-17", "Statement": [statement(more)]});
    for (what, document) in [
        ("a principal that is left out", other(json!({"Principal": null, "NotPrincipal": {"Federated": OWN}}))),
        ("no principal", other(json!({"Principal": null}))),
        ("a resource", other(json!({"Resource": "*"}))),
        ("an action that is not of STS", other(json!({"Action": ["sts:AssumeRoleWithWebIdentity", "s3:GetObject"]}))),
        ("a Sid of other characters", other(json!({"Sid": "my tokens"}))),
        ("a Sid twice", json!({"Version": "2012-10-17", "Statement": [statement(json!({})), statement(json!({}))]})),
        ("an unknown version", json!({"Version": "2026-01-01", "Statement": [statement(json!({}))]})),
        ("an unknown operator", other(json!({"Condition": {"StringMatches": {"aws:username": "a"}}}))),
        ("a principal that is a name", other(json!({"Principal": OWN}))),
        ("an empty list", other(json!({"Condition": {"StringEquals": {"aws:username": []}}}))),
        ("no action", other(json!({"Action": []}))),
    ] {
        let read = TrustDocument::from_value(&document).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(!read.notes().is_empty(), "{what}: {document}");
        assert_eq!(read.check(&caller()).notes, read.notes(), "{what}");
    }
    let fine = TrustDocument::from_value(&other(json!({}))).unwrap();
    assert!(fine.notes().is_empty(), "{:?}", fine.notes());
}
