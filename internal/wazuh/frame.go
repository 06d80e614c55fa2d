package wazuh

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	frameHeader = 4

	// MaxPayload is the largest payload remoted accepts in a frame.
	MaxPayload = 65536
	// MaxMessage is the largest message that fits into a payload.
	MaxMessage = MaxPayload - 128
)

// The health check of remoted, in clear and without a key.
const (
	Ping = "#ping"
	Pong = "#pong"
)

// ErrFrameSize says that a frame announced no payload or too large a one; remoted closes on both.
var ErrFrameSize = errors.New("frame length must be 1 to 65536")

// FrameReader takes frames off a stream, into one buffer that it keeps.
type FrameReader struct {
	r       *bufio.Reader
	payload []byte
}

// NewFrameReader reads frames from r.
func NewFrameReader(r io.Reader) *FrameReader {
	return &FrameReader{r: bufio.NewReaderSize(r, 4<<10)}
}

// Next returns the next payload, which is valid until the following call. The error is io.EOF
// between frames and io.ErrUnexpectedEOF inside one.
func (f *FrameReader) Next() ([]byte, error) {
	header, err := f.r.Peek(frameHeader)
	if err != nil {
		if errors.Is(err, io.EOF) && len(header) > 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if err := checkFrameSize(size); err != nil {
		return nil, err
	}
	_, _ = f.r.Discard(frameHeader)
	if cap(f.payload) < int(size) {
		f.payload = make([]byte, size)
	}
	f.payload = f.payload[:size]
	if _, err := io.ReadFull(f.r, f.payload); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return f.payload, nil
}

func checkFrameSize(size uint32) error {
	if size == 0 || size > MaxPayload {
		return fmt.Errorf("%w, not %d", ErrFrameSize, size)
	}
	return nil
}

// AppendFrame appends payload with its length in front.
func AppendFrame(dst, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

// PrefixKind says how a manager would find the agent that sent a frame.
type PrefixKind int

// The kinds of a first frame.
const (
	PrefixID      PrefixKind = iota + 1 // by the id in clear
	PrefixAddress                       // by its source address: the frame carries no id
	PrefixPing                          // not at all: a health check
)

// Prefix is what can be read of a frame without a key.
type Prefix struct {
	Kind   PrefixKind
	Length uint32 // of the payload
	ID     []byte // of PrefixID: digits, a part of the bytes given to ParsePrefix
}

// MaxPrefix is how many bytes ParsePrefix ever needs: a length, and eight digits between marks.
const MaxPrefix = frameHeader + 1 + maxIDDigits + 1

// ErrShort says that ParsePrefix needs more bytes.
var ErrShort = errors.New("too few bytes to tell")

// ParsePrefix reads the beginning of a stream of frames, from the first byte of a length on. An edge
// can call it on whatever has arrived, to drop what no agent would send.
func ParsePrefix(b []byte) (Prefix, error) {
	if len(b) < frameHeader {
		return Prefix{}, ErrShort
	}
	p := Prefix{Length: binary.LittleEndian.Uint32(b)}
	if err := checkFrameSize(p.Length); err != nil {
		return Prefix{}, err
	}
	b = b[frameHeader:min(len(b), frameHeader+int(p.Length))]
	return parsePayload(p, b)
}

// PayloadPrefix reads the beginning of a whole payload, as a FrameReader returns it.
func PayloadPrefix(payload []byte) (Prefix, error) {
	return parsePayload(Prefix{Length: uint32(len(payload))}, payload)
}

func parsePayload(p Prefix, b []byte) (Prefix, error) {
	if len(b) == 0 {
		return Prefix{}, ErrShort
	}
	whole := len(b) == int(p.Length)
	switch b[0] {
	case '!':
		return parseID(p, b[1:], whole)
	case ':': // Blowfish, of agents configured for it
		p.Kind = PrefixAddress
		return p, nil
	}
	switch {
	case p.Length == uint32(len(Ping)) && string(b) == Ping:
		p.Kind = PrefixPing
	case bytes.HasPrefix(b, []byte(tokenAES)):
		p.Kind = PrefixAddress
	case !whole && (bytes.HasPrefix([]byte(tokenAES), b) || p.Length == uint32(len(Ping)) && bytes.HasPrefix([]byte(Ping), b)):
		return Prefix{}, ErrShort
	default:
		return Prefix{}, fmt.Errorf("payload begins with %q: no agent sends that", b[:min(len(b), 5)])
	}
	return p, nil
}

func parseID(p Prefix, b []byte, whole bool) (Prefix, error) {
	end := bytes.IndexByte(b[:min(len(b), maxIDDigits+1)], '!')
	switch {
	case end > 0 && allDigits(b[:end]):
		p.Kind, p.ID = PrefixID, b[:end]
		return p, nil
	case end < 0 && !whole && len(b) <= maxIDDigits && (len(b) == 0 || allDigits(b)):
		return Prefix{}, ErrShort
	}
	return Prefix{}, fmt.Errorf("payload begins with %q: want '!', up to %d digits, '!'", b[:min(len(b), maxIDDigits+1)], maxIDDigits)
}
