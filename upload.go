package understudy

import "time"

// Limits of uploads in parts.
const (
	MaxUploadSize   = 8 << 30  // bytes of all parts together
	MaxUploadPart   = 64 << 20 // bytes of a part
	MaxUploadParts  = 10_000   // ours: the protocol has none
	UploadLifetime  = time.Hour
	MinFileExpiry   = 3_600 // seconds, of a file's expires_after
	MaxFileExpiry   = 2_592_000
	AnchorCreatedAt = "created_at" // the one anchor of a file's expires_after
)

// UploadStatus is the state of an upload in parts.
type UploadStatus string

// The states of an upload. All but pending are final.
const (
	UploadPending   UploadStatus = "pending"
	UploadCompleted UploadStatus = "completed"
	UploadCancelled UploadStatus = "cancelled"
	UploadExpired   UploadStatus = "expired"
)

// Upload is a file that arrives in parts.
type Upload struct {
	ID        string       `json:"id"`
	Object    string       `json:"object"` // always "upload"
	Bytes     int64        `json:"bytes"`  // as declared: what the parts must add up to
	CreatedAt int64        `json:"created_at"`
	Filename  string       `json:"filename"`
	Purpose   Purpose      `json:"purpose"`
	Status    UploadStatus `json:"status"`
	ExpiresAt int64        `json:"expires_at"`
	File      *File        `json:"file,omitempty"` // once it is completed
}

// ClosedUpload is the error for an upload that is to be changed and is not pending.
func ClosedUpload(u *Upload) *Error {
	return Invalid("Upload '%s' is %s. Only a pending upload can be changed.", u.ID, u.Status)
}

// UploadPart is a piece of an [Upload].
type UploadPart struct {
	ID        string `json:"id"`
	Object    string `json:"object"` // always "upload.part"
	CreatedAt int64  `json:"created_at"`
	UploadID  string `json:"upload_id"`
}
