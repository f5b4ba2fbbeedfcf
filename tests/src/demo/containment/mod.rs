//! The second act: a policy, a poisoned dependency inside the program that the policy permits, an exception that ends,
//! and an agent that is killed. Every line is tried before it is told; what does not hold ends the act with an error.

mod policy;
mod proof;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use cofferdam_model::{EnforcedBy, WallTime};

use super::container::{Process, Recipe, Running, socket};
use super::image::{COLLECTOR, INSTALL, SERVER, SUPPORT};
use super::telling::Telling;
use super::{Scene, interrupt, questions};
use policy::Policy;

/// Its first line.
pub(super) const TITLE: &str =
    "Cofferdam: a poisoned dependency inside the permitted program, under a policy.";

/// The container.
const SHOP: &str = "shop-api";
/// By what name the agent knows it.
const WORKLOAD: &str = "container:shop-api";
/// The rule.
const RULE: &str = "stripe";
/// The secret.
const KEY: &str = "/run/secrets/stripe/api-key";
/// How long the exception holds.
const EXCEPTED: Duration = Duration::from_secs(8);
/// How often each of two processes tries each way while the agent is dead.
const ATTEMPTS: u64 = 1_000;

/// Who acts in the container.
struct Cast {
    _container: Running,
    server: Process,
    collector: Process,
    thief: String,
}

/// Plays it.
pub(super) fn play(scene: &mut Scene) -> Result<()> {
    let policy = Policy::new(&scene.place, &scene.street);
    let (cast, by) = under_a_policy(scene, &policy)?;
    poisoned(&scene.telling, &cast)?;
    excepted(scene, &policy, &cast)?;
    without_an_agent(scene, &cast, by)?;
    asked(scene)?;
    proof::nobody_came(&scene.street.thief)?;
    what_to_see(&scene.telling, by)
}

/// The application works under the policy as it did without.
fn under_a_policy(scene: &Scene, policy: &Policy) -> Result<(Cast, EnforcedBy)> {
    let Scene { telling, agent, place, image, street, .. } = scene;
    telling.step(&format!(
        "A policy: only {SERVER} reads the payment key, which travels to the payment service alone."
    ))?;
    policy.applied(telling, agent)?;

    telling.step(&format!("Container `{SHOP}` starts, and its application works undisturbed."))?;
    let recipe =
        Recipe { name: SHOP, program: SERVER, secret: ("stripe", &["api-key"]), variable: "SESSION_SECRET" };
    let container = Running::start(place, image, &recipe)?;
    let by = policy::enforcer(agent, WORKLOAD)?;
    let server = container.process("server");
    server.does("open", &[KEY])?;
    telling.act(SERVER, &format!("reads {KEY}"))?;
    let payments = street.payments.address().to_string();
    server.does("connect-tcp", &[&payments])?;
    telling.act(SERVER, &format!("connects to the payment service, {payments}"))?;

    server.does("spawn", &[INSTALL, "serve", &socket("collector")])?;
    let collector = container.process("collector");
    collector.wait()?;
    Ok((Cast { _container: container, server, collector, thief: street.thief.address().to_string() }, by))
}

/// Its dependency gets to work, in a program of its own and inside the permitted one.
fn poisoned(telling: &Telling, cast: &Cast) -> Result<()> {
    telling.step("Its dependency was poisoned.")?;
    telling.evil(INSTALL, &format!("writes a program, {COLLECTOR}, and becomes it"))?;
    cast.collector.is_denied("open", &[KEY])?;
    telling.denied(COLLECTOR, &format!("opens {KEY}"))?;
    telling
        .evil("code of the dependency", &format!("runs inside {SERVER}, which may read the key, and has"))?;
    cast.server.does("open", &[KEY])?;
    cast.server.is_denied("connect-tcp", &[&cast.thief])?;
    telling.denied(SERVER, &format!("connects to {}, where it has no business", cast.thief))
}

/// Somebody needs the key for a while.
fn excepted(scene: &Scene, policy: &Policy, cast: &Cast) -> Result<()> {
    let Scene { telling, agent, .. } = scene;
    let reads = &[SUPPORT, "do", "open", KEY];
    let seconds = EXCEPTED.as_secs();
    telling.step(&format!(
        "On-call wants to read the key with {SUPPORT}, a tool of the image, for {seconds} seconds."
    ))?;
    cast.server.is_denied("run", reads)?;
    telling.denied(SUPPORT, &format!("opens {KEY}"))?;
    let end = SystemTime::now() + EXCEPTED;
    policy.excepted_until(moment(end)?, telling, agent)?;
    cast.server.does("run", reads)?;
    proof::passed_by_exception(agent)?;
    telling.act(SUPPORT, &format!("opens {KEY}: by the exception"))?;
    interrupt::pause(end.duration_since(SystemTime::now()).unwrap_or_default())?;
    cast.server.is_denied("run", reads)?;
    telling.denied(SUPPORT, &format!("opens {KEY}, {seconds} seconds later"))
}

/// The agent is killed; what it has put into force stays.
fn without_an_agent(scene: &mut Scene, cast: &Cast, by: EnforcedBy) -> Result<()> {
    scene.agent.kill()?;
    let Scene { telling, agent, .. } = &mut *scene;
    let holds = if by == EnforcedBy::Fanotify {
        "the guard and the kernel's programs"
    } else {
        "the kernel's programs"
    };
    telling
        .step(&format!("The agent is killed (SIGKILL). What it has put into force is held by {holds}."))?;
    let often = ATTEMPTS.to_string();
    refused_each_time(&cast.collector, "hammer-opens", &[KEY, &often, "2"])?;
    telling.denied(COLLECTOR, &format!("opens {KEY}, {} times", 2 * ATTEMPTS))?;
    refused_each_time(&cast.server, "hammer-connects", &[&cast.thief, &often, "2"])?;
    telling.denied(SERVER, &format!("connects to {}, {} times", cast.thief, 2 * ATTEMPTS))?;
    cast.server.does("open", &[KEY])?;
    telling.act(SERVER, "reads its key as before")?;

    agent.start_again()?;
    telling.step("The agent is started again, and has the count of what was denied meanwhile.")?;
    proof::each_was_counted(agent, &cast.thief)
}

fn refused_each_time(who: &Process, step: &str, args: &[&str]) -> Result<()> {
    let reply = who.tries(step, args)?;
    let wanted = format!("0 went through, {} were refused, 0 failed otherwise", 2 * ATTEMPTS);
    ensure!(reply.ok && reply.output == wanted, "{step} {}: {}, not: {wanted}", args.join(" "), reply.output);
    Ok(())
}

/// Somebody asks what was denied, and why.
fn asked(scene: &Scene) -> Result<()> {
    let Scene { telling, agent, .. } = scene;
    questions::ask(telling, agent, &["denials", "--workload", WORKLOAD])?;
    let event = proof::explained(agent)?;
    questions::ask(telling, agent, &["policy", "explain", "--event", &event])?;
    questions::ask(telling, agent, &["policy", "status", "--workload", WORKLOAD])?;
    proof::nothing_could_have_passed(agent)
}

fn what_to_see(telling: &Telling, by: EnforcedBy) -> Result<()> {
    telling.heading("What to see in it")?;
    let weaker = "On this node opens are refused by `cofferdam-guard`, which outlives the agent; who kills the guard \
                  itself opens the secret until the agent has started another. With BPF among the kernel's LSMs there \
                  is no such gap.";
    telling.sentences(&[
        &format!(
            "The dependency ran with all the rights of {SERVER}, and the key did not get to the thief: a list of \
             programs that may read it would not have been enough, its destinations were."
        ),
        "Nobody had to end the exception, and nothing was lifted when the agent died: the kernel has the rules, and the \
         moment at which the exception ends.",
        if by == EnforcedBy::Fanotify { weaker } else { "On this node the kernel's LSM hooks refuse: `lsm`." },
    ])
}

fn moment(time: SystemTime) -> Result<WallTime> {
    let since = time.duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    // In whole seconds, as a person writes it.
    let nanos = i64::try_from(since.as_secs()).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    Ok(WallTime::from_nanos(nanos.context("the clock is beyond its range")?))
}
