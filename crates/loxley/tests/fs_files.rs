//! What files promise.

mod kit;

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::pin::Pin;

use kit::{Folder, current_thread, on_every_runtime, poll_once};
use loxley::fs::{self, DirBuilder, File, OpenOptions};
use loxley::io::{AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWriteExt};

async fn read_write(folder: &Folder, name: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true);
    options.open(folder.join(name)).await.unwrap()
}

#[test]
fn small_reads_of_a_large_file_are_served_from_few_calls() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        std::fs::write(folder.join("large"), &bytes).unwrap();
        let mut file = File::open(folder.join("large")).await.unwrap();
        let mut read = Vec::new();
        let mut calls = 0;
        loop {
            let mut piece = [0; 1000];
            let mut reading = Box::pin(file.read(&mut piece));
            let len = match poll_once(reading.as_mut()) {
                std::task::Poll::Ready(len) => len.unwrap(),
                std::task::Poll::Pending => {
                    calls += 1;
                    reading.await.unwrap()
                }
            };
            if len == 0 {
                break;
            }
            read.extend_from_slice(&piece[..len]);
        }
        assert!(read == bytes);
        assert!(calls < 16, "{calls} calls for a megabyte");
    });
}

#[test]
fn what_was_read_ahead_is_not_missing_for_anybody() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        std::fs::write(folder.join("file"), b"0123456789").unwrap();
        let mut file = read_write(&folder, "file").await;
        assert_eq!(file.read_u8().await.unwrap(), b'0');
        assert_eq!(file.stream_position().await.unwrap(), 1);
        assert_eq!(file.read_u8().await.unwrap(), b'1');
        assert_eq!(file.seek(SeekFrom::Current(2)).await.unwrap(), 4);
        assert_eq!(file.read_u8().await.unwrap(), b'4');
        // A write goes where the reader is.
        file.write_all(b"x").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.read_u8().await.unwrap(), b'6');
        // A second file shares the place.
        let mut other = file.try_clone().await.unwrap();
        assert_eq!(other.read_u8().await.unwrap(), b'7');
        // The standard library goes on where we were.
        assert!(other.try_into_std().is_err(), "something is ahead");
        let mut std = file.into_std().await;
        assert_eq!(
            std.stream_position().unwrap(),
            10,
            "the clone has read ahead"
        );
        std.rewind().unwrap();
        let mut text = String::new();
        std.read_to_string(&mut text).unwrap();
        assert_eq!(text, "01234x6789");
    });
}

#[test]
fn the_standard_library_gets_the_file_where_it_is() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        std::fs::write(folder.join("file"), b"0123456789").unwrap();
        let mut file = File::open(folder.join("file")).await.unwrap();
        assert_eq!(file.read_u8().await.unwrap(), b'0');
        let mut std = file.into_std().await;
        assert_eq!(std.stream_position().unwrap(), 1);
        std.rewind().unwrap();
        let file = File::from(std);
        let fd = file.as_raw_fd();
        let std = file.try_into_std().unwrap();
        assert_eq!(std.as_raw_fd(), fd);
        // SAFETY: `into_raw_fd` has given the descriptor away, to us.
        let mut file = unsafe { File::from_raw_fd(std.into_raw_fd()) };
        assert_eq!(file.read_u8().await.unwrap(), b'0');
    });
}

#[test]
fn bytes_written_survive_the_drop_of_the_file_and_of_the_runtime() {
    let folder = Folder::new();
    for turn in 0..20 {
        let path = folder.join(format!("{turn}"));
        let runtime = current_thread();
        runtime.block_on(async {
            let mut file = File::create(&path).await.unwrap();
            for _ in 0..100 {
                file.write_all(&[7; 100]).await.unwrap();
            }
        });
        drop(runtime);
        assert_eq!(std::fs::read(&path).unwrap(), [7; 10_000]);
    }
}

#[test]
fn writes_go_through_a_small_buffer_in_order() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let mut file = read_write(&folder, "file").await;
        file.set_max_buf_size(3);
        let text: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        file.write_all(&text[..1000]).await.unwrap();
        file.set_max_buf_size(4096);
        file.write_all(&text[1000..]).await.unwrap();
        file.flush().await.unwrap();
        assert!(fs::read(folder.join("file")).await.unwrap() == text);
        file.rewind().await.unwrap();
        file.set_max_buf_size(5);
        let mut read = Vec::new();
        file.read_to_end(&mut read).await.unwrap();
        assert!(read == text);
    });
}

#[test]
fn an_error_of_a_write_is_told_once() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        std::fs::write(folder.join("file"), b"").unwrap();
        // Open for reading only.
        let mut file = File::open(folder.join("file")).await.unwrap();
        assert_eq!(file.write(b"lost").await.unwrap(), 4);
        let error = file.flush().await.unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::BADF.raw_os_error())
        );
        file.flush().await.unwrap();
        file.write_all(b"lost").await.unwrap();
        assert!(file.sync_all().await.is_err());
        file.sync_all().await.unwrap();
        let mut write_only = File::create(folder.join("out")).await.unwrap();
        assert!(write_only.read(&mut [0; 8]).await.is_err());
    });
}

#[test]
fn a_dropped_read_loses_no_byte() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        std::fs::write(folder.join("file"), b"0123").unwrap();
        let mut file = File::open(folder.join("file")).await.unwrap();
        let mut first = [0; 1];
        // On a quick machine the job is over before the poll is.
        let rest = match poll_once(file.read(&mut first)) {
            std::task::Poll::Ready(len) => &"0123"[len.unwrap()..],
            std::task::Poll::Pending => "0123",
        };
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, rest);
    });
}

#[test]
fn seeks_go_one_at_a_time_and_not_before_the_start() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let mut file = read_write(&folder, "file").await;
        Pin::new(&mut file).start_seek(SeekFrom::Start(5)).unwrap();
        let second = Pin::new(&mut file).start_seek(SeekFrom::Start(6));
        // The first may be over already, on a quick machine.
        if second.is_ok() {
            assert_eq!(file.stream_position().await.unwrap(), 6);
        } else {
            assert_eq!(file.stream_position().await.unwrap(), 5);
        }
        let before = file.seek(SeekFrom::End(-1)).await.unwrap_err();
        assert_eq!(before.kind(), ErrorKind::InvalidInput);
        assert_eq!(file.seek(SeekFrom::End(7)).await.unwrap(), 7);
        file.write_all(b"x").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 8);
    });
}

#[test]
fn length_times_and_permissions_can_be_set() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let mut file = read_write(&folder, "file").await;
        file.write_all(b"0123456789").await.unwrap();
        file.set_len(4).await.unwrap();
        file.rewind().await.unwrap();
        assert_eq!(file.read_u8().await.unwrap(), b'0');
        file.set_len(2).await.unwrap();
        assert_eq!(
            file.read(&mut [0; 8]).await.unwrap(),
            1,
            "what was ahead is read anew"
        );
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        file.set_modified(time).await.unwrap();
        let metadata = file.metadata().await.unwrap();
        assert_eq!(metadata.modified().unwrap(), time);
        let mut permissions = metadata.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).await.unwrap();
        assert!(
            fs::metadata(folder.join("file"))
                .await
                .unwrap()
                .permissions()
                .readonly()
        );
        file.sync_data().await.unwrap();
    });
}

#[test]
#[should_panic(expected = "`max_buf_size` must be greater than 0")]
fn a_buffer_of_no_bytes_panics() {
    let file = std::fs::File::open("/dev/null").unwrap();
    File::from_std(file).set_max_buf_size(0);
}

#[test]
fn options_say_how_a_file_is_opened() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = folder.join("file");
        assert_eq!(
            File::open(&path).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        File::create_new(&path).await.unwrap();
        assert_eq!(
            File::create_new(&path).await.unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        let mut options = OpenOptions::from(std::fs::OpenOptions::new().append(true).clone());
        let mut file = options.mode(0o600).open(&path).await.unwrap();
        file.write_all(b"one").await.unwrap();
        file.write_all(b"two").await.unwrap();
        file.shutdown().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"onetwo");
        assert!(OpenOptions::default().open(&path).await.is_err());
    });
}

#[test]
fn a_walk_finds_every_entry_once() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        for n in 0..200 {
            std::fs::write(folder.join(format!("{n}")), b"x").unwrap();
        }
        std::fs::create_dir(folder.join(OsStr::from_bytes(b"\xff"))).unwrap();
        let mut entries = fs::read_dir(folder.path()).await.unwrap();
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            let is_folder = entry.file_name() == OsStr::from_bytes(b"\xff");
            assert_eq!(entry.file_type().await.unwrap().is_dir(), is_folder);
            assert_eq!(entry.metadata().await.unwrap().is_dir(), is_folder);
            assert!(entry.ino() > 0 && entry.path().starts_with(folder.path()));
            names.push(entry.file_name());
        }
        assert!(entries.next_entry().await.unwrap().is_none());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 201);
        let nothing = fs::read_dir(folder.join("nothing")).await.unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn the_functions_do_what_those_of_std_do() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let odd = folder.join(OsStr::from_bytes(b"\xfe"));
        fs::write(&odd, "text").await.unwrap();
        assert_eq!(fs::copy(&odd, folder.join("copy")).await.unwrap(), 4);
        assert_eq!(
            fs::read_to_string(folder.join("copy")).await.unwrap(),
            "text"
        );
        fs::rename(folder.join("copy"), folder.join("moved"))
            .await
            .unwrap();
        fs::hard_link(folder.join("moved"), folder.join("second"))
            .await
            .unwrap();
        fs::symlink("moved", folder.join("link")).await.unwrap();
        assert_eq!(
            fs::read_link(folder.join("link")).await.unwrap(),
            OsStr::new("moved")
        );
        let real = fs::canonicalize(folder.join("link")).await.unwrap();
        assert!(real.ends_with("moved"));
        assert!(
            fs::symlink_metadata(folder.join("link"))
                .await
                .unwrap()
                .is_symlink()
        );
        assert!(
            !fs::metadata(folder.join("link"))
                .await
                .unwrap()
                .is_symlink()
        );
        fs::remove_file(folder.join("second")).await.unwrap();
        fs::create_dir(folder.join("a")).await.unwrap();
        fs::remove_dir(folder.join("a")).await.unwrap();
        DirBuilder::new()
            .recursive(true)
            .create(folder.join("b/c"))
            .await
            .unwrap();
        let again = DirBuilder::new()
            .create(folder.join("b"))
            .await
            .unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        let permissions = fs::metadata(&odd).await.unwrap().permissions();
        fs::set_permissions(&odd, permissions).await.unwrap();
        assert!(fs::try_exists(&odd).await.unwrap());
        fs::remove_dir_all(folder.path()).await.unwrap();
        assert!(!fs::try_exists(&odd).await.unwrap());
        assert_eq!(
            fs::read(&odd).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn a_file_without_places_is_read_in_pieces() {
    on_every_runtime(|| async {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut writer = std::fs::File::from(writer);
        let mut file = File::from(reader);
        writer.write_all(b"first").unwrap();
        let mut word = [0; 5];
        file.read_exact(&mut word).await.unwrap();
        writer.write_all(b"later").unwrap();
        file.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"later");
        drop(writer);
        assert_eq!(file.read(&mut word).await.unwrap(), 0);
    });
}
