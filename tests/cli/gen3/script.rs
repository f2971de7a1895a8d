//! What the script left behind is gone on with: its roles are ours, with all that is on them.

use irsa_core::sandbox::Access;

use super::{GET, S3, shell};

const ROLE: &str = "sandbox-sa-role";

#[test]
fn a_role_of_the_script_is_ours() {
    for line in
        [format!("-c sa -p {S3}"), "-u sa -p AmazonSQSReadOnlyAccess -a a".into(), format!("-u sa -p {S3} -a d")]
    {
        let shell = shell();
        shell.script("default", "sa", ROLE, &[("pol-1695000000", GET)]);
        let trust = shell.role(ROLE).unwrap().trust_policy;
        let ran = shell.gen3(&line);
        assert!(ran.code == 0 && ran.stderr.contains("[taken-over]"), "{ran}");
        let role = shell.role(ROLE).unwrap();
        assert_eq!(role.tags["irsa.gen3.org/origin"], "created");
        assert!(role.tags["irsa.gen3.org/owner"].ends_with(":cluster/sandbox/default/sa"));
        assert_eq!(role.trust_policy, trust, "an equal policy is never written anew");
        assert!(role.inline.contains_key("pol-1695000000"), "policies are kept");
        // Once it is ours, it is so for every command.
        assert!(!shell.gen3(&line).stderr.contains("[taken-over]"));
        assert_eq!(shell.run("get sa --cluster sandbox -o json").json()["owned"], true);
    }
}

#[test]
fn it_is_listed_as_it_is() {
    let shell = shell();
    shell.script("default", "sa", ROLE, &[("pol-1695000000", GET), ("a", GET)]);
    for _ in ["annotated", "by name"] {
        assert_eq!(shell.done("-l sa"), "AmazonS3ReadOnlyAccess\na\npol-1695000000\n");
        shell.sandbox.default_cluster().remove_service_account("default", "sa").unwrap();
    }
    assert!(shell.sandbox.calls().iter().all(|call| call.access == Access::Read));
}

#[test]
fn it_is_deleted_although_no_tag_says_whose_it_is() {
    for annotated in [true, false] {
        let shell = shell();
        shell.script("default", "sa", ROLE, &[("pol-1695000000", GET)]);
        if !annotated {
            shell.sandbox.default_cluster().remove_service_account("default", "sa").unwrap();
        }
        let deleted = shell.gen3("--delete sa");
        assert_eq!((deleted.code, deleted.stdout.as_str()), (0, ""), "{deleted}");
        assert!(shell.roles().is_empty() && shell.annotation("default", "sa").is_none());
        // What goes with it is told in full.
        assert!(deleted.stderr.contains("s3:GetObject"), "{deleted}");
    }
}

#[test]
fn a_delete_that_broke_off_is_finished() {
    let writes = {
        let shell = shell();
        shell.script("default", "sa", ROLE, &[("pol-1695000000", GET)]);
        shell.sandbox.faults().clear_calls();
        shell.done("--delete sa");
        shell.sandbox.calls().iter().filter(|call| call.access == Access::Write).count()
    };
    assert!(writes > 5, "{writes}");
    for write in 1..=writes {
        for lost in [false, true] {
            let shell = shell();
            shell.script("default", "sa", ROLE, &[("pol-1695000000", GET)]);
            let (at, failure) = (irsa_core::sandbox::At::write(write as u64), ("ServiceFailure", "try again"));
            let faults = shell.sandbox.faults();
            if lost {
                faults.fail_after(at, failure)
            } else {
                faults.fail_before(at, failure)
            };
            let broken = shell.gen3("--delete sa");
            assert_eq!((broken.code, broken.stdout.as_str()), (1, ""), "{write}: {broken}");
            shell.sandbox.faults().clear();
            shell.done("--delete sa");
            assert!(shell.roles().is_empty() && shell.annotation("default", "sa").is_none(), "{write}: {broken}");
        }
    }
}

#[test]
fn the_commands_of_irsa_itself_take_nothing_over() {
    let shell = shell();
    shell.script("default", "sa", ROLE, &[]);
    let before = shell.role(ROLE);
    let ran = shell.run(&format!("create sa -p {S3} --role-name {ROLE} --cluster sandbox"));
    assert!(ran.code == 0 && ran.stderr.contains("[not-managed]"), "{ran}");
    assert_eq!(shell.role(ROLE), before);
    let ran = shell.run(&format!("create sa -p AmazonSQSReadOnlyAccess --role-name {ROLE} --cluster sandbox"));
    assert!(ran.code == 1 && ran.stderr.contains("was not created by irsa"), "{ran}");
    assert_eq!(shell.role(ROLE), before);
}

#[test]
fn a_name_that_the_script_cut_is_found_again() {
    let account = "x".repeat(60);
    let cut: String = format!("sandbox-{account}-role").chars().take(63).collect();
    for annotated in [true, false] {
        let shell = shell();
        shell.script("default", &account, &cut, &[]);
        if !annotated {
            shell.sandbox.default_cluster().remove_service_account("default", &account).unwrap();
        }
        assert_eq!(shell.done(&format!("-l {account}")), "AmazonS3ReadOnlyAccess\n");
        assert_eq!(shell.done(&format!("-c {account} -p {S3}")), format!("{cut}\n"));
        assert_eq!(shell.done(&format!("-c {account} -p {S3}")), format!("{cut}\n"));
        assert_eq!(shell.roles(), [cut.as_str()]);
        shell.done(&format!("--delete {account}"));
        assert!(shell.roles().is_empty());
    }
}
