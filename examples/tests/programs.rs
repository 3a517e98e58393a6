//! The larger examples, run as a user runs them: as processes, with arguments, over sockets and signals.
//!
//! `cargo test -p examples` builds the examples before it runs this.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// An example, ready to be started.
fn program(name: &str, arguments: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path: PathBuf = folder.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: cargo build -p examples --examples",
        path.display()
    );
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// Runs an example to its end.
fn output(name: &str, arguments: &[&str]) -> (Output, String) {
    let output = program(name, arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {output:?}");
    (output, text)
}

/// An example that runs until it is told to end; killed if the test fails.
struct Running {
    child: Child,
    prints: BufReader<ChildStdout>,
}

impl Running {
    fn start(name: &str, arguments: &[&str]) -> Running {
        let mut child = program(name, arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let prints = BufReader::new(child.stdout.take().unwrap());
        Running { child, prints }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.prints.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The address that it says it listens on.
    fn address(&mut self) -> String {
        let line = self.line();
        let address = line.strip_prefix("listening on ");
        address.expect("its first line says where").to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a good end; what it printed meanwhile.
    fn end(mut self) -> String {
        let mut rest = String::new();
        self.prints.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {rest}");
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a test that hangs.
fn watched(law: impl FnOnce() + Send + 'static) {
    let (done, waits) = channel();
    let body = thread::spawn(move || {
        law();
        let _ = done.send(());
    });
    // Without a message the law panicked, unless the time is over.
    if waits.recv_timeout(Duration::from_secs(300))
        == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        panic!("hangs");
    }
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A client that speaks in lines.
struct Guest(BufReader<TcpStream>);

impl Guest {
    fn enter(address: &str, name: &str) -> Guest {
        let mut guest = Guest(BufReader::new(TcpStream::connect(address).unwrap()));
        guest.say(name);
        assert_eq!(guest.hear(), format!("* welcome, {name}"));
        guest
    }

    fn say(&mut self, line: &str) {
        self.0
            .get_mut()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn guests_of_the_chat_hear_one_another_and_the_end() {
    watched(|| {
        let mut server = Running::start("chat", &["127.0.0.1:0"]);
        let address = server.address();
        let mut ada = Guest::enter(&address, "ada");
        let mut bob = Guest::enter(&address, "bob");
        assert_eq!(ada.hear(), "* bob is here");
        for n in 0..100 {
            ada.say(&format!("this is {n}"));
        }
        for n in 0..100 {
            assert_eq!(bob.hear(), format!("ada: this is {n}"));
        }
        drop(bob);
        assert_eq!(ada.hear(), "* bob left");
        server.signal(Signal::INT);
        assert_eq!(ada.hear(), "* the server closes");
        assert_eq!(ada.hear(), "");
        assert_eq!(server.end(), "closed\n");
    });
}

#[test]
fn the_proxy_passes_both_directions_and_both_ends_on() {
    watched(|| {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = target.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = target.accept().unwrap();
            let mut question = String::new();
            stream.read_to_string(&mut question).unwrap();
            stream
                .write_all(question.to_uppercase().as_bytes())
                .unwrap();
        });
        let mut proxy = Running::start("proxy", &["127.0.0.1:0", &place]);
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(b"is anybody there?").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "IS ANYBODY THERE?");
        server.join().unwrap();
        assert!(proxy.line().ends_with(": 17 bytes up, 17 down"));
        proxy.signal(Signal::INT);
        proxy.end();
    });
}

#[test]
fn the_fetcher_tells_of_each_page() {
    watched(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut request = HashMap::new();
                let mut first = String::new();
                stream.read_line(&mut first).unwrap();
                let mut line = String::new();
                while stream.read_line(&mut line).unwrap() > 2 {
                    let (name, value) = line.trim_end().split_once(": ").unwrap();
                    request.insert(name.to_owned(), value.to_owned());
                    line.clear();
                }
                assert!(request["Host"].starts_with("127.0.0.1:"));
                let answer = match first.split(' ').nth(1) {
                    Some("/hello") => "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello",
                    _ => "HTTP/1.1 418 I'm a teapot\r\n\r\n",
                };
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        // Accepts, through its backlog, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (hello, tea) = (format!("{address}/hello"), format!("{address}/tea"));
        let (_, text) = output("fetch", &["2", "200000", &hello, &tea, &hello]);
        assert_eq!(text.matches(&format!("{hello}: 5 bytes")).count(), 2);
        assert!(text.contains("418 I'm a teapot"), "{text}");

        let silent = format!("{}/", silent.local_addr().unwrap());
        let (_, text) = output("fetch", &["2", "50", &silent]);
        assert!(text.contains("not done by the deadline"), "{text}");
    });
}

#[test]
fn the_datagram_service_answers_over_both_sockets_and_removes_its_name() {
    watched(|| {
        let path = std::env::temp_dir().join(format!("loxley-examples-{}", std::process::id()));
        let name = path.to_str().unwrap();
        let mut service = Running::start("datagrams", &["serve", "127.0.0.1:0", name]);
        let places = service.address();
        let (udp, unix) = places.split_once(" and ").unwrap();
        assert_eq!(unix, name);
        for place in [udp, unix] {
            let (_, text) = output("datagrams", &["ask", place, "hello"]);
            assert_eq!(text, "hello\n");
        }
        assert!(path.exists());
        service.signal(Signal::INT);
        service.end();
        assert!(!path.exists());
    });
}

#[test]
fn the_supervisor_restarts_its_child_and_ends_it_when_told() {
    watched(|| {
        let script = "sh -c 'echo pid $$; exec sleep 1000'";
        let mut supervisor = Running::start("supervisor", &["200000", script]);
        // Both print into one pipe, each line at once.
        let pid = |supervisor: &mut Running| loop {
            if let Some(pid) = supervisor.line().strip_prefix("pid ") {
                return Pid::from_raw(pid.parse().unwrap()).unwrap();
            }
        };
        let first = pid(&mut supervisor);
        kill_process(first, Signal::KILL).unwrap();
        let second = pid(&mut supervisor);
        assert_ne!(first, second);
        supervisor.signal(Signal::TERM);
        let rest = supervisor.end();
        assert!(rest.contains("ending"), "{rest}");
        assert!(rest.contains("ended with signal: 15"), "{rest}");
        assert!(!rest.contains("killed"), "{rest}");
    });
}

#[test]
fn each_program_checks_itself() {
    watched(|| {
        for name in ["chat", "proxy", "fetch", "datagrams", "supervisor"] {
            output(name, &[]);
        }
    });
}
