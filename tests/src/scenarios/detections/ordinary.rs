//! Programs as they run everywhere: a PostgreSQL client, a web server, services in Python and in Node. They read their
//! credentials again and again, are loaded anew, start children, and speak to whom they always speak; rules find nothing
//! in that, and still find whoever comes besides.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::container::ACTOR;
use crate::bench::{Container, Listener, Postgres};
use crate::stage::{PerTier, Scenario, Stage, Went};

pub(super) const POSTGRESQL: Scenario = of("detections/ordinary-postgresql", postgresql, "psql");
pub(super) const NGINX: Scenario = of("detections/ordinary-nginx", nginx, "nginx");
pub(super) const PYTHON: Scenario = of("detections/ordinary-python", python, "python3");
pub(super) const NODE: Scenario = of("detections/ordinary-node", node, "node");

const fn of(name: &'static str, play: fn(&Stage<'_>) -> Result<()>, program: &'static str) -> Scenario {
    Scenario::new(name, PerTier::SEEN, play).of_user_space().needing(program)
}

const PASSWORD: &str = "/etc/creds/password";

/// Asks the web server for a page that only who has a password gets: it looks into its file of passwords.
const NGINX_CONFIG: &str = "
pid /tmp/nginx.pid; error_log /tmp/error.log; user root; worker_processes 2;
events {}
http {
  access_log /tmp/access.log; client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server { listen 127.0.0.1:PORT; auth_basic ours; auth_basic_user_file /etc/creds/password; }
}
";

/// Reads its password for each request of its own, speaks to its database, starts a child that does neither.
const PYTHON_SERVICE: &str = "
import http.server, socket, subprocess, sys, threading, urllib.request
class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open('/etc/creds/password') as file: file.read()
        socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()
        subprocess.run(['/bin/true'], check=True)
        self.send_response(200); self.end_headers()
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in range(20): urllib.request.urlopen('http://127.0.0.1:%d/' % server.server_port).read()
";

const NODE_SERVICE: &str = "
const [fs, http, net] = ['fs', 'http', 'net'].map(require), { execFileSync } = require('child_process');
const server = http.createServer((request, response) => {
  fs.readFileSync('/etc/creds/password');
  execFileSync('/bin/true');
  net.connect(Number(process.argv[1]), '127.0.0.1', function () { this.destroy(); response.end(); });
}).listen(0, '127.0.0.1', async () => {
  for (let i = 0; i < 20; i++) await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  process.exit(0);
});
";

fn postgresql(stage: &Stage<'_>) -> Result<()> {
    let server = Postgres::start(stage.place(), "ordinary-database")?;
    let client = Postgres::client()?;
    let query = format!("host=127.0.0.1 port={} user=app dbname=postgres passfile={PASSWORD}", server.port());
    is_quiet(stage, "ordinary-psql", |app| {
        app.runs(&client.to_string_lossy(), &["-d", &query, "-c", "SELECT 1"])?.went_through().map(drop)
    })
}

fn nginx(stage: &Stage<'_>) -> Result<()> {
    let port = Listener::tcp4()?.address().port().to_string();
    let config = NGINX_CONFIG.replace("PORT", &port);
    let url = format!("http://127.0.0.1:{port}/");
    is_quiet(stage, "ordinary-nginx", |app| {
        app.does("write", &["/etc/group", "644", "root:x:0:"])?.went_through()?;
        app.does("write", &["/tmp/nginx.conf", "600", &config])?.went_through()?;
        app.runs("/usr/sbin/nginx", &["-c", "/tmp/nginx.conf"])?.went_through()?;
        for _ in 0..3 {
            // It is let in nowhere, and the server has looked.
            let asked = app.runs(
                "/bin/busybox",
                &["wget", "-q", "-O", "-", &format!("{}x:y@{}", &url[..7], &url[7..])],
            )?;
            anyhow::ensure!(!asked.ok, "nobody has that password");
            app.runs("/usr/sbin/nginx", &["-c", "/tmp/nginx.conf", "-s", "reload"])?.went_through()?;
        }
        app.runs("/usr/sbin/nginx", &["-c", "/tmp/nginx.conf", "-s", "stop"])?.went_through().map(drop)
    })
}

fn python(stage: &Stage<'_>) -> Result<()> {
    let database = Listener::tcp4()?;
    let port = database.address().port().to_string();
    is_quiet(stage, "ordinary-python", |app| {
        app.runs("/usr/bin/python3", &["-c", PYTHON_SERVICE, &port])?.went_through().map(drop)
    })
}

fn node(stage: &Stage<'_>) -> Result<()> {
    let database = Listener::tcp4()?;
    let port = database.address().port().to_string();
    is_quiet(stage, "ordinary-node", |app| {
        app.runs("/usr/bin/node", &["-e", NODE_SERVICE, &port])?.went_through().map(drop)
    })
}

/// What a container with this machine's programs does every day is found by no rule, neither while its habits are
/// learnt nor later; a program besides that reads the same is.
fn is_quiet(stage: &Stage<'_>, name: &str, day: impl Fn(&Container) -> Result<()>) -> Result<()> {
    let creds = stage.volume(name, &["password"])?;
    creds.forbid_to_others()?;
    // The folder below is the container's root, so that `/usr/lib` is its `/lib`.
    let links = stage.shared_folder("programs")?;
    if !links.join("usr").is_symlink() {
        symlink(".", links.join("usr")).with_context(|| format!("linking in {}", links.display()))?;
    }
    let builder = stage.container().with_layers(&[&links, Path::new("/usr")]);
    let app = builder.with_secret(&creds, "/etc/creds").start()?;

    day(&app)?;
    stage.habits_become_known();
    day(&app)?;
    day(&app)?;
    stage.finds(&app, &[])?;
    let read = stage.agent()?.asked(|answers| answers.accesses_of(app.id()))?;
    let of_secret = read.iter().filter(|row| row.secret == format!("volume/{name}"));
    anyhow::ensure!(of_secret.count() >= 3, "it has read its secret each day: {read:?}");

    app.runs(ACTOR, &["do", "open", PASSWORD])?.went_through()?;
    stage.finds(&app, &["unexpected-reader"]).map(drop)
}
