// The other end of the yamux interoperability test: hashicorp's own implementation. It is given a
// connected socket as file descriptor 3 and its role as argument. Each stream that it accepts
// begins with a line that says what is wanted:
//
//	echo          send back what comes, until the end, then end
//	count         read to the end, then answer the number of octets and their SHA-256
//	stall         the same, but read nothing until a stream says "release"
//	release       see stall
//	generate N    send N octets, then end
//	ping          measure the round trip, then answer "pong"
//	open N        open N streams, send "stream I" on each, and answer how many came back unharmed
//	await-reset   say "ready", then answer, on a new stream, with what ended this one
//	go-away       announce that no more streams are taken
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"io/ioutil"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

var released = make(chan struct{})

func answer(stream net.Conn, text string) {
	io.WriteString(stream, text)
	stream.Close()
}

func count(stream net.Conn, reader io.Reader) {
	hash := sha256.New()
	n, err := io.Copy(hash, reader)
	if err != nil {
		answer(stream, err.Error())
		return
	}
	answer(stream, fmt.Sprintf("%d %x", n, hash.Sum(nil)))
}

func generate(stream net.Conn, n int) {
	octets := make([]byte, n)
	for i := range octets {
		octets[i] = byte(i * 7)
	}
	stream.Write(octets)
	stream.Close()
}

func roundTrip(session *yamux.Session, i int) bool {
	stream, err := session.Open()
	if err != nil {
		return false
	}
	want := fmt.Sprintf("stream %d", i)
	stream.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(stream, want)
	got := make([]byte, len(want))
	_, err = io.ReadFull(stream, got) // this version reads nothing after its own Close
	stream.Close()
	return err == nil && string(got) == want
}

func open(session *yamux.Session, stream net.Conn, n int) {
	var wait sync.WaitGroup
	var lock sync.Mutex
	good := 0
	for i := 0; i < n; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			if roundTrip(session, i) {
				lock.Lock()
				good++
				lock.Unlock()
			}
		}(i)
	}
	wait.Wait()
	answer(stream, fmt.Sprintf("%d", good))
}

func serve(session *yamux.Session, stream net.Conn) {
	reader := bufio.NewReader(stream)
	line, err := reader.ReadString('\n')
	if err != nil {
		stream.Close()
		return
	}
	var n int
	command := strings.TrimSpace(line)
	if i := strings.IndexByte(command, ' '); i > 0 {
		fmt.Sscanf(command[i+1:], "%d", &n)
		command = command[:i]
	}
	switch command {
	case "echo":
		io.Copy(stream, reader)
		stream.Close()
	case "count":
		count(stream, reader)
	case "stall":
		<-released
		count(stream, reader)
	case "release":
		close(released)
		stream.Close()
	case "generate":
		generate(stream, n)
	case "ping":
		if _, err := session.Ping(); err != nil {
			answer(stream, err.Error())
		} else {
			answer(stream, "pong")
		}
	case "open":
		open(session, stream, n)
	case "await-reset":
		io.WriteString(stream, "ready")
		_, err := reader.ReadByte()
		report, openErr := session.Open()
		if openErr == nil {
			answer(report, err.Error())
		}
	case "go-away":
		session.GoAway()
		stream.Close()
	}
}

func main() {
	socket := os.NewFile(3, "socket")
	conn, err := net.FileConn(socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	socket.Close()
	config := yamux.DefaultConfig()
	config.LogOutput = ioutil.Discard
	var session *yamux.Session
	if os.Args[1] == "client" {
		session, err = yamux.Client(conn, config)
	} else {
		session, err = yamux.Server(conn, config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for {
		stream, err := session.Accept()
		if err != nil {
			return
		}
		go serve(session, stream)
	}
}
