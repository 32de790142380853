//! A token is turned on and off and changed: what the queue sends and what workers demand, step by step.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudtasks::{HttpTarget, OidcToken};
use crds::conditions::Reason;
use plan::invariants::broken;
use plan::model::queue_headers::{OWNER_HEADER, TOKEN_HEADER};
use plan::{ChainView, Desired, Observed, Plan, RequiredToken, Settings, Step};

use crate::golden::{said, seen, sentence};
use crate::invariants::assert_has;
use crate::phases::round;
use crate::world::{
    ORDERS, Transcript, chain, desired, pass, planned, pod, queue_mut, queue_path, roll, settings,
    settle, settled,
};

fn with_oidc(email: &str, audiences: &str) -> String {
    let oidc = format!(
        "  push: {{url: 'https://{{stage}}.push.example.com'}}\n  oidc: {{serviceAccountEmail: {email}, audiences: [{audiences}]}}\n  stages:\n"
    );
    ORDERS.replace("  stages:\n", &oidc)
}

fn public() -> String {
    let push = "  push: {url: 'https://{stage}.push.example.com'}\n  stages:\n";
    ORDERS.replace("  stages:\n", push)
}

const A: &str = "a@p.example";

/// Where the queue of the first stage pushes.
fn target(observed: &Observed) -> Option<&HttpTarget> {
    let queue = observed.queues.get(&queue_path("incoming"));
    queue.unwrap().http_target.as_ref()
}

/// What the queue of the first stage sends, and what that stage's workers are told to demand.
fn now(observed: &Observed) -> (String, String) {
    let sent = target(observed).and_then(|target| {
        let token = target.token.as_ref()?;
        let is_marked = target.headers.contains_key(TOKEN_HEADER);
        let mark = if is_marked { "" } else { " set outside" };
        Some(format!(
            "{} {}{mark}",
            token.service_account_email, token.audience
        ))
    });
    let told = observed.deployments.get("orders-fast");
    let told = told.and_then(RequiredToken::of_deployment).map(|demand| {
        let list = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join("+");
        format!("{} {}", list(demand.emails), list(demand.audiences))
    });
    (sent.unwrap_or_default(), told.unwrap_or_default())
}

#[track_caller]
fn assert_now(observed: &Observed, sent: &str, told: &str) {
    assert_eq!(now(observed), (sent.to_owned(), told.to_owned()));
}

#[test]
fn a_new_chain_sends_its_token_from_the_first_push_on() {
    let yaml = with_oidc(A, "x, y");
    let mut observed = Observed::default();
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "a@p.example x", "a@p.example x+y");
    // The client's URL is not ours to show it to.
    let notifier = observed.queues.get(&queue_path("orders-notifier")).unwrap();
    assert_eq!(notifier.http_target.as_ref().unwrap().token, None);
    settle(&mut observed, &desired(&yaml));
    let status = seen(&yaml, &observed);
    insta::assert_snapshot!(sentence(&status, "PushesUnauthenticated"), @"TokensDemanded: every worker requires a token");
    insta::assert_snapshot!(sentence(&status, "PushesRefused"), @"WorkersNotAsked: no ready worker of queue incoming answers on port 9481, so refused pushes can't be counted. If this lasts, allow the operator to connect to this port");
}

#[test]
fn a_token_is_sent_before_it_is_required() {
    let mut transcript = Transcript::default();
    let mut observed = settled(&public());
    transcript.add(
        "PushesUnauthenticated",
        &said(&public(), &observed, "PushesUnauthenticated"),
    );
    let yaml = with_oidc(A, "x");
    let plan = round(&mut observed, &yaml, 0, 0);
    transcript.add("the spec requires a token", &plan);
    assert_now(&observed, "a@p.example x", "");
    round(&mut observed, &yaml, 0, 0);
    round(&mut observed, &yaml, 59, 0);
    assert_now(&observed, "a@p.example x", "");
    let status = seen(&yaml, &observed);
    transcript.add("WorkersReady", &sentence(&status, "WorkersReady"));
    transcript.add(
        "PushesUnauthenticated",
        &sentence(&status, "PushesUnauthenticated"),
    );
    round(&mut observed, &yaml, 1, 0);
    assert_now(&observed, "a@p.example x", "a@p.example x");
    // Who begins anew takes nothing back.
    roll(&mut observed);
    observed.elapsed.clear();
    assert!(round(&mut observed, &yaml, 0, 0).is_empty());
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_token_is_no_longer_required_before_it_is_no_longer_sent() {
    let mut observed = settled(&with_oidc(A, "x"));
    let yaml = public();
    let former = pod(&observed.deployments["orders-fast"]).unwrap();
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "a@p.example x", "");
    roll(&mut observed);
    observed.pods.push(former);
    let plan = round(&mut observed, &yaml, 100, 0);
    insta::assert_snapshot!(plan.to_string());
    assert_now(&observed, "a@p.example x", "");
    roll(&mut observed);
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "", "");
}

#[test]
fn both_audiences_are_accepted_while_one_replaces_the_other() {
    let mut observed = settled(&with_oidc(A, "x"));
    let yaml = with_oidc(A, "y");
    let former = pod(&observed.deployments["orders-fast"]).unwrap();
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "a@p.example x", "a@p.example x+y");
    // Some are new, one is not.
    roll(&mut observed);
    observed.pods.push(former);
    round(&mut observed, &yaml, 100, 0);
    assert_now(&observed, "a@p.example x", "a@p.example x+y");
    roll(&mut observed);
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "a@p.example y", "a@p.example x+y");
    round(&mut observed, &yaml, 0, 0);
    round(&mut observed, &yaml, 59, 0);
    assert_now(&observed, "a@p.example y", "a@p.example x+y");
    round(&mut observed, &yaml, 1, 0);
    assert_now(&observed, "a@p.example y", "a@p.example y");
}

#[test]
fn the_account_changes_as_an_audience_does() {
    let mut observed = settled(&with_oidc(A, "x"));
    let yaml = with_oidc("b@p.example", "x");
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "a@p.example x", "a@p.example+b@p.example x");
    settle(&mut observed, &desired(&yaml));
    assert_now(&observed, "b@p.example x", "b@p.example x");
}

#[test]
fn an_audience_that_is_already_accepted_is_sent_at_once() {
    let mut observed = settled(&with_oidc(A, "x, y"));
    let plan = round(&mut observed, &with_oidc(A, "y, x"), 0, 0);
    assert_now(&observed, "a@p.example y", "a@p.example x+y");
    let rolls = plan
        .steps
        .iter()
        .any(|planned| matches!(planned.step, Step::ApplyDeployment(_)));
    assert!(!rolls, "{plan}");
}

#[test]
fn a_renamed_stage_gets_its_token_with_its_address() {
    let mut observed = settled(&with_oidc(A, "x"));
    let yaml = with_oidc(A, "y").replace("name: fast", "name: quick");
    round(&mut observed, &yaml, 0, 0);
    // The former workers demand the former token, and the queue still pushes to them.
    assert_now(&observed, "a@p.example x", "a@p.example x");
    let new = RequiredToken::of_deployment(&observed.deployments["orders-quick"]).unwrap();
    assert_eq!(new.audiences, BTreeSet::from(["y".to_owned()]));
    roll(&mut observed);
    round(&mut observed, &yaml, 0, 0);
    let target = target(&observed).unwrap().clone();
    assert_eq!(target.token.unwrap().audience, "y");
    assert_eq!(target.address.unwrap().host, "quick.push.example.com");
}

#[test]
fn a_foreign_token_stays_until_the_spec_has_one() {
    let mut observed = settled(&public());
    let token = OidcToken {
        service_account_email: "theirs@p.example".into(),
        audience: "z".into(),
    };
    let found = queue_mut(&mut observed, "incoming");
    found.http_target.as_mut().unwrap().token = Some(token);
    assert!(round(&mut observed, &public(), 0, 0).is_empty());
    assert_now(&observed, "theirs@p.example z set outside", "");
    settle(&mut observed, &desired(&with_oidc(A, "x")));
    assert_now(&observed, "a@p.example x", "a@p.example x");
    settle(&mut observed, &desired(&public()));
    assert_now(&observed, "", "");
    assert!(
        target(&observed)
            .unwrap()
            .headers
            .contains_key(OWNER_HEADER)
    );
}

#[test]
fn a_token_that_is_changed_outside_is_corrected_and_reported() {
    let yaml = with_oidc(A, "x");
    let mut observed = settled(&yaml);
    observed.was_in_force = true;
    let found = queue_mut(&mut observed, "incoming");
    found.http_target.as_mut().unwrap().token = None;
    insta::assert_snapshot!(said(&yaml, &observed, "Drifted"), @"QueueChanged: incoming has to https://fast.push.example.com:443, executor-owner cluster-a/shop/orders, executor-token spec, the spec says to https://fast.push.example.com:443, with a token of a@p.example for x, executor-owner cluster-a/shop/orders, executor-token spec; the operator restores what the spec says; if it can't, the condition Ready says why");
    round(&mut observed, &yaml, 0, 0);
    assert_now(&observed, "a@p.example x", "a@p.example x");
}

#[test]
fn refused_pushes_are_reported_by_queue_and_reason() {
    let yaml = with_oidc(A, "x");
    let mut observed = settled(&yaml);
    let why = BTreeSet::from(["audience".to_owned(), "missing".to_owned()]);
    observed.auth_failures.insert(queue_path("incoming"), why);
    insta::assert_snapshot!(said(&yaml, &observed, "PushesRefused"), @"TokensRefused: workers refused pushes because of their token in the last minutes: incoming (audience, missing). Cloud Tasks retries them, and no attempt is counted");
    observed
        .auth_failures
        .insert(queue_path("incoming"), BTreeSet::new());
    insta::assert_snapshot!(said(&yaml, &observed, "PushesRefused"), @"WorkersNotAsked: no ready worker of queue incoming-2 answers on port 9481, so refused pushes can't be counted. If this lasts, allow the operator to connect to this port");
    observed
        .auth_failures
        .insert(queue_path("incoming-2"), BTreeSet::new());
    insta::assert_snapshot!(said(&yaml, &observed, "PushesRefused"), @"NoneRefused: no push was refused because of its token in the last minutes");
    let open = settled(&public());
    insta::assert_snapshot!(sentence(&seen(&public(), &open), "PushesRefused"), @"NoTokenDemanded: no token is required, see the condition PushesUnauthenticated");
}

#[test]
fn a_token_over_http_is_for_an_emulator_only() {
    let yaml = with_oidc(A, "x").replace("https://{stage}.push", "http://{stage}.push");
    let refused = Desired::new(&chain(&yaml), &settings()).unwrap_err();
    assert_eq!(refused.reason, Reason::InvalidSpec);
    insta::assert_snapshot!(refused.message, @"stage fast has the address http://fast.push.example.com, but Cloud Tasks sends tokens only over https: set push.url to an https URL, or omit oidc");
    let emulator = Settings {
        emulator_host: Some("127.0.0.1:8123".into()),
        ..settings()
    };
    assert!(Desired::new(&chain(&yaml), &emulator).is_ok());
    // The Services' own addresses are of that kind too.
    let inside = yaml.replace("  push: {url: 'http://{stage}.push.example.com'}\n", "");
    assert!(Desired::new(&chain(&inside), &settings()).is_err());
    assert!(Desired::new(&chain(&inside), &emulator).is_ok());
}

/// The invariants that a plan of these steps alone breaks.
fn broken_by(yaml: &str, observed: &Observed, steps: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut plan = Plan::default();
    steps(&mut plan);
    broken(ChainView::new(&desired(yaml), observed), &plan)
}

/// A plan for another spec, kept to the steps of one kind.
fn only(yaml: &str, observed: &Observed, keep: fn(&Step) -> bool) -> Plan {
    let mut plan = planned(yaml, observed).unwrap();
    plan.steps.retain(|planned| keep(&planned.step));
    plan
}

#[test]
fn the_invariants_catch_a_push_that_would_be_refused() {
    let is_queue = |step: &Step| matches!(step, Step::UpdateQueue { .. });
    let is_workers = |step: &Step| matches!(step, Step::ApplyDeployment(_));
    let on = settled(&with_oidc(A, "x"));
    // Turned off at the queue first: as if no worker had been told of it.
    let off = settled(&public());
    let mut untold = on.clone();
    untold.deployments.clone_from(&off.deployments);
    untold.pods.clone_from(&off.pods);
    let plan = only(&public(), &untold, is_queue);
    assert!(!plan.is_empty());
    let said = broken_by(&public(), &on, |it| it.steps = plan.steps);
    assert_has(&said[..1], "its workers would refuse its pushes");

    // Turned on at the workers first.
    let yaml = with_oidc(A, "x");
    let mut signed = off.clone();
    signed.queues.clone_from(&on.queues);
    pass(&mut signed, &desired(&yaml), Duration::ZERO);
    pass(&mut signed, &desired(&yaml), Duration::from_mins(1));
    let plan = only(&yaml, &signed, is_workers);
    assert!(!plan.is_empty());
    let steps = plan.steps.clone();
    let said = broken_by(&yaml, &off, |it| it.steps = steps);
    assert_has(&said[..1], "they would refuse their queue's pushes");

    // Or as soon as the queue sends it.
    let mut early = signed.clone();
    early.elapsed.clear();
    let said = broken_by(&yaml, &early, |it| it.steps.clone_from(&plan.steps));
    assert_has(&said[..1], "they would refuse what may be in flight");
    let said = broken_by(&yaml, &signed, |it| it.steps = plan.steps);
    assert_eq!(said, Vec::<String>::new());
}
