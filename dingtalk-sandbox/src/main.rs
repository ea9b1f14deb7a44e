//! The program: a sandbox that runs until it is stopped.

use std::{net::SocketAddr, process::ExitCode};

use dingtalk_sandbox::{Sandbox, World};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("dingtalk-sandbox: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let options = Options::parse(args)?;
    if options.help {
        print!("{HELP}");
        return Ok(());
    }
    let world = match &options.world {
        None => World::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("--world {path}: {error}"))?;
            World::from_toml(&text).map_err(|error| format!("--world {path}: {error}"))?
        }
    };
    if options.print_world {
        print!("{}", world.to_toml());
        return Ok(());
    }
    if !options.listen.ip().is_loopback() && !options.allow_remote {
        return Err(format!(
            "--listen {}: others could reach this address, and the sandbox shows its secrets to everybody; \
             add --allow-remote if that is meant",
            options.listen
        ));
    }
    serve(options.listen, world)
}

fn serve(listen: SocketAddr, world: World) -> Result<(), String> {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let sandbox = Sandbox::builder().world(world).listen(listen).start().await;
        let sandbox = sandbox.map_err(|error| format!("--listen {listen}: {error}"))?;
        println!("DingTalk sandbox (钉钉沙箱): {}", sandbox.url());
        if let Some(settings) = settings(sandbox.world(), sandbox.url(), &session_key()?) {
            print!("{settings}");
        }
        println!("Stop with Ctrl-C.");
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// What a shell tells an app of yours to be the world's first app; nothing where that one has no home page.
fn settings(world: &World, url: &str, session_key: &str) -> Option<String> {
    let app = world.apps.first()?;
    let home: hyper::Uri = app.home_url.parse().ok()?;
    let variables = [
        ("ENDPOINT", url),
        ("JSAPI_SCRIPT", &format!("{url}/sandbox/jsapi.js")),
        (
            "PUBLIC_ORIGIN",
            &format!("{}://{}", home.scheme_str()?, home.authority()?),
        ),
        ("CORP_ID", &app.corp_id),
        ("APP_KEY", &app.app_key),
        ("APP_SECRET", &app.app_secret),
        ("SESSION_KEY", session_key),
    ];
    let lines = variables.map(|(name, value)| {
        let value = value.replace('\'', r"'\''");
        format!("  export DINGTALK_{name}='{value}'\n")
    });
    Some(format!(
        "For an app of yours, to be {} here:\n{}",
        app.name,
        lines.concat()
    ))
}

/// A new one, so that nobody's real key is one that was printed somewhere.
fn session_key() -> Result<String, String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[derive(Debug)]
struct Options {
    listen: SocketAddr,
    world: Option<String>,
    print_world: bool,
    allow_remote: bool,
    help: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 7070));
        let mut options = Self {
            listen,
            world: None,
            print_world: false,
            allow_remote: false,
            help: false,
        };
        while let Some(arg) = args.next() {
            let (name, given) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let flag = match name {
                "--listen" => {
                    let value = given
                        .or_else(|| args.next())
                        .ok_or("--listen needs an address as 127.0.0.1:7070")?;
                    options.listen = value.parse().map_err(|_| {
                        format!("--listen {value}: not an address as 127.0.0.1:7070")
                    })?;
                    continue;
                }
                "--world" => {
                    options.world = Some(
                        given
                            .or_else(|| args.next())
                            .ok_or("--world needs a file")?,
                    );
                    continue;
                }
                "--print-world" => &mut options.print_world,
                "--allow-remote" => &mut options.allow_remote,
                "--help" | "-h" => &mut options.help,
                _ => return Err(format!("{arg}: unknown; --help shows what there is")),
            };
            if given.is_some() {
                return Err(format!("{name} takes no value"));
            }
            *flag = true;
        }
        Ok(options)
    }
}

const HELP: &str = "\
A DingTalk (钉钉) on your own machine: its login endpoints, errors, limits and faults.

Usage: dingtalk-sandbox [OPTIONS]

  --listen ADDRESS   where to listen [127.0.0.1:7070]; port 0 takes a free one
  --world FILE       the companies, apps and people, as TOML [built in]
  --print-world      print the world as TOML and stop
  --allow-remote     listen on an address that others can reach
  -h, --help         print this and stop

The log goes to standard error; RUST_LOG sets how much (info, debug, off).
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        for args in [
            &["--listen", "127.0.0.1:0", "--world", "w.toml"][..],
            &["--listen=127.0.0.1:0", "--world=w.toml"],
        ] {
            let options = parse(args).unwrap();
            assert_eq!(options.listen.port(), 0);
            assert_eq!(options.world.as_deref(), Some("w.toml"));
        }
    }

    #[test]
    fn a_wrong_option_is_named() {
        assert!(
            parse(&["--port"])
                .unwrap_err()
                .starts_with("--port: unknown")
        );
        assert!(
            parse(&["--listen", "here"])
                .unwrap_err()
                .starts_with("--listen here: ")
        );
        assert!(
            parse(&["--listen"])
                .unwrap_err()
                .starts_with("--listen needs")
        );
        assert!(
            parse(&["--help=yes"])
                .unwrap_err()
                .starts_with("--help takes no value")
        );
    }

    #[test]
    fn an_app_of_yours_is_told_how_to_be_the_first_app() {
        let mut world = World::default();
        let url = "http://127.0.0.1:7070";
        let told = settings(&world, url, "k").unwrap();
        assert_eq!(
            told,
            "For an app of yours, to be 人事系统 (HR) here:\n\
            \x20 export DINGTALK_ENDPOINT='http://127.0.0.1:7070'\n\
            \x20 export DINGTALK_JSAPI_SCRIPT='http://127.0.0.1:7070/sandbox/jsapi.js'\n\
            \x20 export DINGTALK_PUBLIC_ORIGIN='http://127.0.0.1:8080'\n\
            \x20 export DINGTALK_CORP_ID='ding0a1b2c3d4e5f6a7b'\n\
            \x20 export DINGTALK_APP_KEY='dinghr0000000000001'\n\
            \x20 export DINGTALK_APP_SECRET='hr-secret-0000000000000000000001'\n\
            \x20 export DINGTALK_SESSION_KEY='k'\n"
        );
        world.apps[0].app_secret = "it's".to_owned();
        let told = settings(&world, url, "k").unwrap();
        assert!(told.contains(r"APP_SECRET='it'\''s'"), "{told}");
        world.apps[0].home_url.clear();
        assert_eq!(settings(&world, url, "k"), None);
    }

    #[test]
    fn an_address_others_can_reach_needs_to_be_allowed() {
        let refused = run(["--listen", "0.0.0.0:0"].map(str::to_owned).into_iter());
        assert!(refused.unwrap_err().contains("--allow-remote"));
    }
}
