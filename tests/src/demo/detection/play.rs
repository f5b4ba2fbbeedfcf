//! What happens in the containers, told line by line while it happens.

use std::net::SocketAddr;

use anyhow::Result;
use cofferdam_tests::bench::{Image, Place};

use crate::demo::container::{Recipe, Running, socket};
use crate::demo::image::{COLLECTOR, INSTALL, SERVER};
use crate::demo::street::Street;
use crate::demo::telling::Telling;

/// The honest container.
pub(super) const WEB: &str = "shop-web";
/// The one with the poisoned dependency.
pub(super) const DEPS: &str = "shop-deps";
/// Keys of the poisoned container's secret.
pub(super) const PAYMENT_KEYS: [&str; 2] = ["api-key", "webhook-key"];
/// The credential in the poisoned container's environment.
pub(super) const VARIABLE: &str = "AWS_SECRET_ACCESS_KEY";

/// The honest container: reads what is its own, connects where it should.
pub(super) fn honest(telling: &Telling, place: &Place, image: &Image, street: &Street) -> Result<Running> {
    telling.step(&format!("Container `{WEB}` starts, an honest application with a database password."))?;
    let recipe =
        Recipe { name: WEB, program: SERVER, secret: ("db", &["password"]), variable: "SESSION_SECRET" };
    let container = Running::start(place, image, &recipe)?;
    let server = container.process("server");
    let password = "/run/secrets/db/password";
    server.does("open", &[password])?;
    telling.act(SERVER, &format!("reads {password}"))?;
    let database = street.database.address().to_string();
    server.does("connect-tcp", &[&database, "3"])?;
    telling.act(SERVER, &format!("opens three connections to its database, {database}"))?;
    Ok(container)
}

/// The container with the poisoned dependency.
pub(super) struct Poisoned {
    _container: Running,
    thief: SocketAddr,
}

impl Poisoned {
    /// Where it took what it found.
    pub(super) fn thief(&self) -> SocketAddr {
        self.thief
    }
}

/// As [`honest`], and then its dependency gets to work.
pub(super) fn poisoned(telling: &Telling, place: &Place, image: &Image, street: &Street) -> Result<Poisoned> {
    telling.step(&format!(
        "Container `{DEPS}` starts, an application of the same kind with a poisoned dependency."
    ))?;
    let recipe =
        Recipe { name: DEPS, program: SERVER, secret: ("stripe", &PAYMENT_KEYS), variable: VARIABLE };
    let container = Running::start(place, image, &recipe)?;
    let server = container.process("server");
    let key = |key: &str| format!("/run/secrets/stripe/{key}");
    server.does("open", &[&key(PAYMENT_KEYS[0])])?;
    telling.act(SERVER, &format!("reads {}", key(PAYMENT_KEYS[0])))?;
    let payments = street.payments.address().to_string();
    server.does("connect-tcp", &[&payments])?;
    telling.act(SERVER, &format!("connects to the payment service, {payments}"))?;

    server.does("spawn", &[INSTALL, "serve", &socket("collector")])?;
    telling.evil(INSTALL, &format!("writes a program, {COLLECTOR}, and becomes it"))?;
    let collector = container.process("collector");
    collector.wait()?;
    for name in PAYMENT_KEYS {
        collector.does("open", &[&key(name)])?;
    }
    telling.evil(COLLECTOR, "reads every secret that it can see")?;
    collector.does("open", &["/proc/1/environ"])?;
    telling.evil(COLLECTOR, &format!("reads the environment of {SERVER}, which holds {VARIABLE}"))?;
    let thief = street.thief.address();
    collector.does("connect-tcp", &[&thief.to_string()])?;
    telling.evil(COLLECTOR, &format!("connects to {thief}, where it has no business"))?;
    Ok(Poisoned { _container: container, thief })
}
