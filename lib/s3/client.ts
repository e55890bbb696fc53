/** What is used of the SDK: loaded when it is needed, and all that a bundle holds of it. */
export { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
