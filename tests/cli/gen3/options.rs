//! Every form of the options that getopts and the script's own parser took, and what is refused.

use insta::assert_snapshot;

use super::{GET, S3, shell};

#[test]
fn every_form_that_the_script_took() {
    for line in [
        format!("-c sa -p {S3}"),
        format!("-csa -p{S3}"),
        format!("--create sa --policy {S3}"),
        format!("--create=sa --policy={S3}"),
        format!("-p {S3} -c sa"),
        format!("-c sa -p {S3} -n default"),
        format!("-c sa -p {S3} -ndefault"),
        format!("-c sa -p {S3} --namespace default"),
        format!("-c sa -p {S3} --namespace=default"),
        format!("-c sa -p {S3} --namepace=default"),
        format!("-c sa -p {S3} --namepace default"),
        // Flags of our own, in a cluster with one of the script's.
        format!("-qc sa -p {S3}"),
    ] {
        let shell = shell();
        assert_eq!(shell.done(&line), "sandbox-sa-role\n", "{line}");
        assert!(shell.has("sandbox-sa-role", S3), "{line}");
    }
    let shell = shell();
    assert_eq!(shell.done(&format!("-c sa -p {S3} --role-name other")), "other\n");
    for line in ["-l sa", "-lsa", "--list sa", "--list=sa", "-l sa -n default", "-l sa --role-name other"] {
        assert_eq!(shell.done(line), "AmazonS3ReadOnlyAccess\n", "{line}");
    }
    for (line, count) in [
        ("-u sa -p AmazonSQSReadOnlyAccess -a a", 2),
        ("-u sa -p AmazonSQSReadOnlyAccess -a d", 1),
        ("-usa -pAmazonSQSReadOnlyAccess -aa", 2),
        ("-usa -pAmazonSQSReadOnlyAccess -ad", 1),
        ("--update sa --policy AmazonSQSReadOnlyAccess --action a", 2),
        ("--update=sa --policy=AmazonSQSReadOnlyAccess --action=d", 1),
        ("-u sa -p AmazonSQSReadOnlyAccess -a u", 2),
    ] {
        assert_eq!(shell.done(line), "", "{line}");
        assert_eq!(shell.role("other").unwrap().attached.len(), count, "{line}");
    }
}

#[test]
fn the_last_one_wins() {
    let shell = shell();
    assert_eq!(shell.done(&format!("-c a -c b -p X -p {S3} -n nowhere -n default")), "sandbox-b-role\n");
    assert_eq!(shell.roles(), ["sandbox-b-role"]);
    // The action too: this lists, and makes nothing.
    assert_eq!(shell.done("-c c -u c -l b"), "AmazonS3ReadOnlyAccess\n");
    assert_eq!(shell.done(&format!("-l b --create c -p {S3} --role-name x --role-name y")), "y\n");
    assert_eq!(shell.done("-u b -p AmazonSQSReadOnlyAccess -a d -a a"), "");
    assert_eq!(shell.done("-l b"), "AmazonS3ReadOnlyAccess\nAmazonSQSReadOnlyAccess\n");
}

#[test]
fn called_by_the_name_of_the_script() {
    let shell = shell();
    for program in ["iam-serviceaccount", "/usr/local/bin/iam-serviceaccount", "bin/iam-serviceaccount.sh"] {
        let ran = shell.run_words(&[program, "-c", "sa", "-p", S3, "-q"]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "sandbox-sa-role\n", ""), "{program}");
        assert!(shell.run_words(&[program, "-h"]).stdout.contains("gen3"), "{program}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused_before_any_call() {
    let shell = shell().with_file("good.json", GET);
    let mut said = String::new();
    for line in [
        "",
        "my-sa -p X",
        "-d my-sa",
        "-x -c sa -p X",
        "--rol-name x -c sa -p X",
        "-c sa",
        "-c",
        "-c sa -p X -a a",
        "-c sa -p X extra",
        "-u sa",
        "-u sa -p X",
        "-u sa -a a",
        "-u sa -p X -a x",
        "-u sa -p X -a aa",
        "-l sa -p X",
        "-l sa -a d",
        "-l sa --tag k=v",
        "--delete sa -p X",
        "--delete sa --description x",
        "--delete sa --keep-role --force",
        "-c sa -p X --keep-role",
        "-c My_SA -p X",
        "-c default/sa -p X",
        "-c= -p X",
        "-c sa -p=",
        "-c sa -p ./absent.json",
        "-u sa -p ./absent.json -a a",
        "-c sa -p X -n Jobs",
    ] {
        let ran = shell.gen3(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {ran}");
        said += &format!("$ iam-serviceaccount {line}\n{}", ran.stderr.lines().next().unwrap_or_default());
        said += "\n";
    }
    assert!(shell.sandbox.calls().is_empty(), "{:?}", shell.sandbox.calls());
    assert_snapshot!(said);
}

#[test]
fn what_is_refused_is_one_document_too() {
    let ran = shell().gen3("-c sa -o json");
    assert_eq!((ran.code, &ran.json()["error"]["kind"]), (2, &serde_json::json!("invalid_input")));
}
