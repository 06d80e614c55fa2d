package wazuh

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

const (
	tokenAES = "#AES:"
	iv       = "FEDCBA0987654321" // the same for every agent and message (aes_op.c)

	sumLength   = 2 * md5.Size
	offGlobal   = sumLength + 5
	offColon1   = offGlobal + 10
	offLocal    = offColon1 + 1
	offColon2   = offLocal + 4
	offMessage  = offColon2 + 1
	maxInner    = MaxPayload
	padMultiple = 8
)

// ErrUndecodable says that a payload wasn't made with this key, or was damaged on its way. The
// protocol cannot tell the two apart.
var ErrUndecodable = errors.New("payload doesn't open with this key")

// Counter numbers the messages of one sender. remoted can be told to refuse numbers it has seen
// (verify_msg_id, off by default), so a sender that lives on keeps its counter.
type Counter struct {
	Global uint32
	Local  uint16
}

// Next returns the counter of the message after c's.
func (c Counter) Next() Counter {
	if c.Local >= 9997 { // where CreateSecMSG wraps
		return Counter{Global: c.Global + 1, Local: 1}
	}
	return Counter{Global: c.Global, Local: c.Local + 1}
}

// Sealer makes payloads out of messages, for one direction of one connection. It isn't safe for
// concurrent use: messages have an order.
type Sealer struct {
	cbc     chain
	head    string // id prefix and token
	counter Counter
	rand    func() uint16
	pool    *Pool
}

// SealOptions are what a Sealer may share with its surroundings.
type SealOptions struct {
	Counter Counter       // of the last message sent with this key; zero for none
	Rand    func() uint16 // the salt of each message; nil is always zero, which no manager minds
	Pool    *Pool         // nil is a pool of its own
}

// NewAgentSealer seals what an agent sends with key.
func NewAgentSealer(key Key, o SealOptions) (*Sealer, error) {
	head := tokenAES
	if !key.FoundByAddress() {
		head = "!" + key.ID + "!" + tokenAES
	}
	return newSealer(key, head, o)
}

// NewManagerSealer seals what a manager sends to the agent with key.
func NewManagerSealer(key Key, o SealOptions) (*Sealer, error) {
	return newSealer(key, tokenAES, o)
}

func newSealer(key Key, head string, o SealOptions) (*Sealer, error) {
	block, err := key.block()
	if err != nil {
		return nil, err
	}
	if o.Pool == nil {
		o.Pool = new(Pool)
	}
	if o.Rand == nil {
		o.Rand = func() uint16 { return 0 }
	}
	return &Sealer{
		cbc: newChain(block, cipher.NewCBCEncrypter), head: head, counter: o.Counter, rand: o.Rand, pool: o.Pool,
	}, nil
}

func (k Key) block() (cipher.Block, error) {
	block, err := aes.NewCipher([]byte(k.cipherText()[:32]))
	if err != nil {
		return nil, fmt.Errorf("cipher of agent %q: %w", k.ID, err)
	}
	return block, nil
}

// Counter returns the number of the last message sealed.
func (s *Sealer) Counter() Counter { return s.counter }

// AppendFrame appends msg sealed, with its length in front: what goes on the wire.
func (s *Sealer) AppendFrame(dst, msg []byte) ([]byte, error) {
	if len(msg) == 0 || len(msg) > MaxMessage {
		return dst, fmt.Errorf("message of %d bytes: want 1 to %d", len(msg), MaxMessage)
	}
	s.counter = s.counter.Next()
	d := s.pool.deflater()
	defer s.pool.returnDeflater(d)
	d.inner = appendInner(d.inner[:0], s.rand(), s.counter, msg)
	if err := d.compress(); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, s.head...)
	sealed := len(dst)
	dst = appendPlain(dst, d.out)
	dst = s.encryptFrom(dst, sealed)
	size := len(dst) - start - frameHeader
	if size > MaxPayload {
		return dst[:start], fmt.Errorf("message of %d bytes became a payload of %d; the limit is %d", len(msg), size, MaxPayload)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(size))
	return dst, nil
}

// appendInner writes checksum, counters and message: the text that is then compressed.
func appendInner(dst []byte, salt uint16, c Counter, msg []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, sumLength)...)
	dst = appendPadded(dst, uint64(salt), 5)
	dst = appendPadded(dst, uint64(c.Global), 10)
	dst = append(dst, ':')
	dst = appendPadded(dst, uint64(c.Local), 4)
	dst = append(dst, ':')
	dst = append(dst, msg...)
	sum := md5.Sum(dst[start+sumLength:])
	hex.Encode(dst[start:], sum[:])
	return dst
}

func appendPadded(dst []byte, n uint64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], n, 10)
	for range width - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// appendPlain puts at least one "!" in front of the compressed text, and as many as make the whole a
// multiple of eight: the block size of Blowfish, which came first.
func appendPlain(dst, compressed []byte) []byte {
	marks := 1 + (padMultiple-(len(compressed)+1)%padMultiple)%padMultiple
	for range marks {
		dst = append(dst, '!')
	}
	return append(dst, compressed...)
}

// encryptFrom pads (PKCS#7) and encrypts everything from offset on, in place.
func (s *Sealer) encryptFrom(b []byte, offset int) []byte {
	pad := aes.BlockSize - (len(b)-offset)%aes.BlockSize
	for range pad {
		b = append(b, byte(pad))
	}
	s.cbc.crypt(b[offset:])
	return b
}

// chain is a CBC mode that begins every message at the same IV.
type chain struct {
	mode  cipher.BlockMode
	start []byte
	renew func() cipher.BlockMode
}

func newChain(block cipher.Block, mode func(cipher.Block, []byte) cipher.BlockMode) chain {
	renew := func() cipher.BlockMode { return mode(block, []byte(iv)) }
	return chain{mode: renew(), start: []byte(iv), renew: renew}
}

// crypt works in place. The standard library's modes can go back to an IV without an allocation, by
// a method that isn't part of their interface (crypto/tls relies on it too).
func (c *chain) crypt(b []byte) {
	if m, ok := c.mode.(interface{ SetIV([]byte) }); ok {
		m.SetIV(c.start)
	} else {
		c.mode = c.renew()
	}
	c.mode.CryptBlocks(b, b)
}

// Opener reads the payloads sealed with a key. It isn't safe for concurrent use.
type Opener struct {
	cbc   chain
	plain []byte
	pool  *Pool
}

// NewOpener opens what was sealed with key, in either direction. A nil pool is a pool of its own.
func NewOpener(key Key, pool *Pool) (*Opener, error) {
	block, err := key.block()
	if err != nil {
		return nil, err
	}
	if pool == nil {
		pool = new(Pool)
	}
	return &Opener{cbc: newChain(block, cipher.NewCBCDecrypter), pool: pool}, nil
}

// Open appends the message of payload to dst. A clear id in front of it is skipped: the caller has
// used it to choose the key.
func (o *Opener) Open(dst, payload []byte) ([]byte, Counter, error) {
	if len(payload) > 0 && payload[0] == '!' {
		end := bytes.IndexByte(payload[1:], '!')
		if end < 0 {
			return dst, Counter{}, fmt.Errorf("%w: the id isn't terminated", ErrUndecodable)
		}
		payload = payload[end+2:]
	}
	ciphertext, ok := bytes.CutPrefix(payload, []byte(tokenAES))
	if !ok || len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return dst, Counter{}, fmt.Errorf("%w: want %q and whole cipher blocks", ErrUndecodable, tokenAES)
	}
	o.plain = append(o.plain[:0], ciphertext...)
	o.cbc.crypt(o.plain)
	compressed, ok := stripPlain(o.plain)
	if !ok {
		return dst, Counter{}, fmt.Errorf("%w: bad padding", ErrUndecodable)
	}
	f := o.pool.inflater()
	defer o.pool.returnInflater(f)
	inner, err := f.inflate(compressed)
	if err != nil {
		return dst, Counter{}, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	counter, msg, err := parseInner(inner)
	if err != nil {
		return dst, Counter{}, err
	}
	return append(dst, msg...), counter, nil
}

// stripPlain removes the cipher's padding and the leading marks.
func stripPlain(b []byte) ([]byte, bool) {
	pad := int(b[len(b)-1])
	if pad == 0 || pad > aes.BlockSize || pad > len(b) {
		return nil, false
	}
	for _, p := range b[len(b)-pad:] {
		if int(p) != pad {
			return nil, false
		}
	}
	b = b[:len(b)-pad]
	if len(b) == 0 || b[0] != '!' {
		return nil, false
	}
	return bytes.TrimLeft(b, "!"), true
}

// parseInner checks the sum and the shape, and returns the message as a part of inner.
func parseInner(inner []byte) (Counter, []byte, error) {
	if len(inner) < offMessage || inner[offColon1] != ':' || inner[offColon2] != ':' {
		return Counter{}, nil, fmt.Errorf("%w: no counters where they belong", ErrUndecodable)
	}
	var want [sumLength]byte
	sum := md5.Sum(inner[sumLength:])
	hex.Encode(want[:], sum[:])
	if !bytes.Equal(want[:], inner[:sumLength]) {
		return Counter{}, nil, fmt.Errorf("%w: wrong checksum", ErrUndecodable)
	}
	global, okGlobal := decimal(inner[offGlobal:offColon1])
	local, okLocal := decimal(inner[offLocal:offColon2])
	if !okGlobal || !okLocal {
		return Counter{}, nil, fmt.Errorf("%w: counters aren't numbers", ErrUndecodable)
	}
	return Counter{Global: uint32(global), Local: uint16(local)}, inner[offMessage:], nil
}

func decimal(digits []byte) (n uint64, ok bool) {
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, n <= 1<<32-1
}
