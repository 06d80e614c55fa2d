package wazuh

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"sync"
)

// Pool lends compressors to sealers and openers. A zlib writer weighs hundreds of kilobytes and is
// needed for microseconds, so thousands of agents in one process share a handful. The zero value is
// ready; it is safe for concurrent use.
type Pool struct {
	deflaters sync.Pool
	inflaters sync.Pool
}

var errTooLarge = errors.New("it inflates to more than 65536 bytes")

// deflater is a zlib writer with the buffers on either side of it.
type deflater struct {
	w     *zlib.Writer
	inner []byte
	out   []byte
}

func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

func (d *deflater) compress() error {
	d.out = d.out[:0]
	d.w.Reset(d)
	if _, err := d.w.Write(d.inner); err != nil {
		return err
	}
	return d.w.Close()
}

// deflater lends a compressor. Wazuh itself uses level 9; any level is accepted, and in Go only the
// first can be reset without clearing half a megabyte of tables for every message.
func (p *Pool) deflater() *deflater {
	if d, ok := p.deflaters.Get().(*deflater); ok {
		return d
	}
	d := &deflater{}
	d.w, _ = zlib.NewWriterLevel(d, zlib.BestSpeed) // fails only for a level that doesn't exist
	return d
}

func (p *Pool) returnDeflater(d *deflater) { p.deflaters.Put(d) }

// inflater is a zlib reader with the buffers on either side of it.
type inflater struct {
	src bytes.Reader
	r   io.ReadCloser
	out []byte
}

// inflate returns the uncompressed text, valid until the inflater is used again.
func (f *inflater) inflate(compressed []byte) ([]byte, error) {
	f.src.Reset(compressed)
	if err := f.reset(); err != nil {
		return nil, err
	}
	n := 0
	for {
		if n == len(f.out) {
			if n > maxInner {
				return nil, errTooLarge
			}
			f.out = append(f.out, make([]byte, min(max(n, 1<<10), maxInner+1-n))...)
		}
		m, err := f.r.Read(f.out[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF) && n > maxInner:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return f.out[:n], nil
		case err != nil:
			return nil, err
		}
	}
}

func (f *inflater) reset() error {
	if r, ok := f.r.(zlib.Resetter); ok {
		return r.Reset(&f.src, nil)
	}
	r, err := zlib.NewReader(&f.src)
	if err == nil {
		f.r = r
	}
	return err
}

func (p *Pool) inflater() *inflater {
	if f, ok := p.inflaters.Get().(*inflater); ok {
		return f
	}
	return &inflater{}
}

func (p *Pool) returnInflater(f *inflater) { p.inflaters.Put(f) }
