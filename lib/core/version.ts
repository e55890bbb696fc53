/** Of this program, as in `package.json`: formats that ask for it are made where no file can be read. */
export const version = '0.1.0';
