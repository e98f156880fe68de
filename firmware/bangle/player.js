// Tenuto: clock, log, motor, player, keys, protocol. tenuto.boot.js loads it. See README.md
(function(){
var S=require("Storage"),UP="tenuto.up",RUN="tenuto.run",ID="tenuto.id",
 H=255,LEAD=80,MINUTE=60000,MOST=12000,
 IDLE=0,ARMED=1,RUNNING=2,WAITING=3,PAUSED=4;
function b1(){return String.fromCharCode.apply(null,arguments);}
function b2(x){return b1(x&255,x>>8&255);}
function b4(x){return b2(x)+b2(x>>>16);}
function bytes(s,n){return E.toString(new Uint8Array(s.buffer,s.byteOffset+n,8));}

// --- the clock: what setTime() moves is taken back, see tenuto.boot.js
var id=S.readJSON(ID,1)||{};
function keep(){S.writeJSON(ID,id);}
function now(){return Math.round((getTime()+id.off)*1000-id.t0);}

// --- the log: two files of H records in turn, each byte written once; in RAM where there is no room
var next=0,mem,from;
function half(n){return "tenuto.log"+((n/H|0)&1);}
function first(){return mem?(next-from>H?next-H:Math.max(0,from-H)):Math.max(0,id.at-H);}
function roll(){
 if(!mem){
  S.erase(half(next));
  try{if(S.write(half(next),"\xff",0,H*16)){id.at=next;keep();return;}}catch(e){}
  mem=new Uint8Array(H*16);from=next;
 }
}
function get(n,k){
 var o=n%H*16,m=mem&&n>=from;
 k=Math.min(k,next-n,H-n%H,m?k:(mem?from:next)-n)*16;
 return m?E.toString(mem.slice(o,o+k)):S.read(half(n),o,k);
}
function rec(t,kind,n,a,b,c){
 var d=b4(t)+b1(kind,n)+b2(Math.min(a||0,65535))+b4(b||0)+b4(c||0);
 if(next%H==0)roll();
 if(mem)mem.set(E.toUint8Array(d),next%H*16);
 else S.write(half(next),d,next%H*16,H*16);
 return next++;
}

// --- the motor and what it may run in a minute: a ring of (pause before, pulse), as limits.py has it
var L=new Uint16Array(256),lf=0,lc=0,lfe=0,le=0,lt=0;
function old(t){while(lc&&lfe<=t-MINUTE){lt-=L[lf*2+1];lf=(lf+1)%128;lc--;if(lc)lfe+=L[lf*2]+L[lf*2+1];}}
function since(t){
 var s=lt,e=lfe,k,i;
 for(k=0;k<lc;k++){
  i=(lf+k)%128*2;if(k)e+=L[i]+L[i+1];
  if(e>t)return s-Math.max(0,L[i+1]-(e-t));
  s-=L[i+1];
 }
 return s;
}
function minute(t){old(t);return since(t-MINUTE);}
function book(ms,t){
 var i=(lf+Math.min(lc,127))%128*2;
 lt+=ms;
 if(lc>127)L[i+1]+=ms;
 else{L[i]=lc?Math.max(0,t-le):0;L[i+1]=ms;if(!lc)lfe=t+ms;lc++;}
 le=t+ms;
}
var Q=[],qi=0,on=0,left=0,bdue,felt,ends=[];
function halt(t){
 digitalWrite(VIBRATE,0);
 var r=le-t,i=(lf+lc+127)%128*2,ran;
 if(on&&r>0&&lc){
  ran=Math.max(0,L[i+1]-r);L[i+1]=ran;lt-=r;le=t;
  if(lc==1)lfe=t;
  if(!ran){le-=L[i];lc--;}
 }
 on=0;
}
function quiet(t){bdue=undefined;halt(t);}
function fit(ms,t){
 var a=0,m;
 while(a<ms){m=(a+ms+1)>>1;if(since(t+m-MINUTE)+m<=MOST)a=m;else ms=m-1;}
 return a;
}
function buzz(t){
 var ms,r=ends.length;
 // An end that was ordered for a pulse that was cut since cannot be called off.
 ends=ends.filter(function(e){return e>=t;});
 if(on&&t<bdue&&ends.length<r)digitalWrite(VIBRATE,1);
 while(bdue!==undefined&&t>=bdue){
  if(on){halt(t);qi+=2;bdue=qi<Q.length?bdue+Q[qi-1]:undefined;continue;}
  ms=Math.min(Q[qi],1000,left);old(t);
  if(lt+ms>MOST||ms<20){
   r=fit(ms,t);
   if(r<20){felt=qi>0;bdue=undefined;return;}
   ms=r;
  }
  // The hardware's timer ends the pulse, also while JavaScript is busy; it cannot end a PWM.
  on=1;digitalWrite(VIBRATE,1);VIBRATE.writeAtTime(0,getTime()+ms/1000);ends.push(t+ms);
  left-=ms;bdue=t+ms;book(ms,t);
 }
}
function play(q,t){if(on)halt(t);Q=q;qi=0;left=3000;felt=1;bdue=q.length?t:undefined;buzz(t);}
function onMs(q,i){for(var s=0;i<q.length;i+=2)s+=q[i];return s;}
function rest(){return bdue===undefined?0:onMs(Q,qi+on*2);}

// What was replaced stays in the flash until it is compacted, which takes seconds: not in a session.
function tidy(){
 var f=S.getStats();
 if(!p.st&&f.freeBytes<4e4&&f.trashBytes>4e4)S.compact();
}

// --- the plans: four places; in each file the plan's id, then its bytes, which are read in place
var P,V;
function file(i){return "tenuto.plan"+i;}
function find(x){for(var i=0;i<4;i++)if(S.read(file(i),0,8)===x)return i;return -1;}
function place(){
 for(var i=0;i<4;i++)if(S.read(file(i),0,1)===undefined)return i;
 return id.order[0];
}
function open(){
 var a=S.readArrayBuffer(file(id.cur|0));
 P=V=an=undefined;
 if(!a)return;
 V=new DataView(a,8);
 var v=V.getUint8(2),n=V.getUint8(4),k=V.getUint8(5);
 if(v<2){n|=k<<8;k=9;}
 P={id:bytes(V,-8),n:n,k:k,z:a.byteLength-8,cues:16+n*20};
 P.pat=P.cues+5*V.getUint16(6,1);
 P.names=P.pat+k+5*V.getUint16(8,1);
}
function step(n){
 var o=16+n*20;
 return {kind:V.getUint8(o),pace:V.getUint8(o+6)&1,open:V.getUint8(o+6)&2,gate:V.getUint8(o+7),ms:V.getUint32(o+8,1),
  wait:V.getUint32(o+12,1),cue:P.cues+5*V.getUint16(o+16,1),cues:V.getUint8(o+18),lim:V.getUint8(o+19)};
}
function cueAt(s,i,ms){var o=s.cue+i*5,m=V.getUint32(o,1);return V.getUint8(o+4)>127?ms-m:m;}
function cueOf(s,i){return V.getUint8(s.cue+i*5+4)&127;}
function pattern(c){
 var o=P.pat+P.k,q=[],k;
 if(c<P.k){
  for(k=0;k<c;k++)o+=5*V.getUint8(P.pat+k);
  for(k=V.getUint8(P.pat+c);k;k--,o+=5)q.push(V.getUint16(o+1,1),V.getUint16(o+3,1));
 }
 return q;
}
function name(i){
 var o=P.names;
 while(i--)o+=1+V.getUint8(o);
 return E.toString(new Uint8Array(V.buffer,V.byteOffset+o+1,V.getUint8(o)));
}
function nameIn(f){ // of a plan that is not open
 var v=new DataView(E.toUint8Array(f.substr(0,16)).buffer),k=v.getUint8(5),n=v.getUint8(4);
 if(v.getUint8(2)<2){n|=k<<8;k=9;}
 n=16+n*20+5*v.getUint16(6,1)+k+5*v.getUint16(8,1);
 return f.substr(n+1,f.charCodeAt(n));
}
function title(){
 for(var i=0,m=0,c=0,o=P.names,e=o+V.getUint16(10,1);i<P.n;)m=Math.max(m,V.getUint8(18+i++*20)>>2);
 for(;o<e;c++)o+=1+V.getUint8(o);
 return name(c>(m+=1+V.getUint8(3))?m:0);
}
// The status and why the bytes of a plan are not played, "" if they are.
function wrong(s){
 var v=new DataView(E.toUint8Array(s).buffer),z=s.length,i,o,f,c=0;
 if(z<20||s.substr(0,2)!="TP")return "\x0dnot a plan";
 if(E.CRC32(s.substr(0,z-4))>>>0!=v.getUint32(z-4,1))return "\x0dchecksum is wrong";
 var ver=v.getUint8(2),n=v.getUint8(4),k=v.getUint8(5),p=0,u=ver>1?"\x15":"\x0d";
 if(ver<1||ver>2)return "\x15plan version "+ver;
 if(ver<2){n|=k<<8;k=9;}
 o=16+n*20+5*v.getUint16(6,1);
 if(!n||n>254||o+k+5*v.getUint16(8,1)+v.getUint16(10,1)+4!=z)return "\x0dsizes do not add up";
 for(i=0;i<k;i++)p+=v.getUint8(o+i);
 if(p!=v.getUint16(8,1))return "\x0dpulses do not add up";
 for(i=0;i<n;i++){
  o=16+i*20;f=v.getUint8(o+6);
  if(v.getUint8(o)>4||(v.getUint8(o+2)&3)>2||f&(ver>1?12:254))return u+"step "+i+" asks for what is not known";
  if(v.getUint16(o+16,1)!=c||(v.getUint8(o)==4)!=(i==n-1)||f&2&&v.getUint8(o)!=1)return "\x0dstep "+i+" is wrong";
  c+=v.getUint8(o+18);
 }
 return c==v.getUint16(6,1)?"":"\x0dcues do not add up";
}

// --- the player, as player.py has it
var p={st:IDLE,n:255,anc:0,ms:0,cue:0,early:0,stop:0,pau:0,res:0,sess:-1,t0:0,pos:0,back:0,due:0},
 s,ahead,an,pend,era=0,bpm=0,bat=-1e9,tm,done=[],con={},upl,told=-1e9,hostBeat=-1e9;
function note(k){
 // Nothing to go on with: the next app need not load the player.
 if(k&&!p.st&&!con.key&&!minute(now()))S.erase(RUN);
 else if(p.st||k)S.writeJSON(RUN,{p:p.st?p:undefined,m:minute(now()),l:k&&[lf,lc,lfe,le,lt].concat([].slice.call(L)),c:con,a:NRF.getSecurityStatus().connected_addr,d:done,b:[bpm,bat,told,hostBeat]});
}
function byTime(){return !(s.pace||s.gate||s.lim)&&an==p.n+1;}
function arm(){
 var a=p.ms;
 if(p.st==RUNNING){
  pend=2;
  if(p.cue<s.cues){pend=0;a=cueAt(s,p.cue,p.ms)-LEAD;}
  else if(byTime()&&p.early<ahead.cues&&cueAt(ahead,p.early,ahead.ms)<LEAD){
   pend=1;a+=cueAt(ahead,p.early,ahead.ms)-LEAD;
  }
  p.due=p.anc+a;
  if(pend==2)p.due=Math.max(p.due,p.res);
 }else if(p.st==WAITING)p.due=p.anc+s.wait;
 else if(p.st==PAUSED)p.due=p.pau+3600000;
}
function look(){
 var n=p.st==ARMED?0:p.n+1;
 if(p.st>=ARMED&&p.st<=WAITING&&n!=an&&n<P.n){ahead=step(n);an=n;if(p.st==RUNNING)arm();}
}
function elapsed(t){return p.st==PAUSED?p.stop:p.st>=RUNNING?t-p.anc:0;}
// Whether step n, begun at `at`, and what follows keep the motor within its budget in each minute.
function room(n,at,t,sum,i,ms){
 if(!sum&&!minute(t))return 1; // no minute of a plan by itself is too full: the host sees to that
 if(sum+minute(t)>MOST)return 0;
 for(var x,a,q,k;n<P.n&&at<t+MINUTE;n++,i=0,ms=-1){
  x=step(n);
  if(ms<0)ms=x.ms;
  for(;i<x.cues;i++){
   a=at+cueAt(x,i,ms);
   if(a>=t+MINUTE)return 1;
   a=Math.max(a,t);q=pattern(cueOf(x,i));k=onMs(q,0);
   if(sum+k+lt<=MOST||sum+k+since(a-MINUTE)<=MOST){sum+=k;continue;}
   for(k=0;k<q.length;k+=2){
    a+=q[k];sum+=q[k];
    if(sum+since(a-MINUTE)>MOST)return 0;
    a+=q[k+1];
   }
  }
  at=Math.max(at+ms,t-LEAD);
 }
 return 1;
}
function begins(n,at,t,sum){return room(n,at-LEAD,t,sum,0,-1);}
function goesOn(t,sum){return room(p.n,t-elapsed(t)-LEAD,t,sum,p.cue,p.ms);}
function feel(q,what,t){
 var k=onMs(q,0);
 if(p.st==IDLE?minute(t)+k<=MOST:p.st==ARMED?begins(0,p.due,t,k):goesOn(t,k)){play(q,t);return 1;}
 rec(t,16,p.n,what,minute(t));
}
function cueNow(c,t){if(feel(pattern(c),c,t))rec(t,5,p.n,c,0,LEAD);}
function waits(t){
 var f=t-bat<=5000;
 if(s.gate&&!(f&&bpm<s.gate)||s.lim&&f&&bpm>=s.lim)return 2;
 return s.pace&&!p.pos?1:0;
}
function enter(n,at,t){
 s=n==an?ahead:step(n);
 p.n=n;p.anc=at;p.ms=s.ms;p.cue=p.early;p.early=p.pos=0;
 rec(t,3,n,0,p.ms);
}
function begin(n,at,t){
 p.early=0;enter(n,at,t);
 if(s.cues)p.anc+=Math.max(0,LEAD-cueAt(s,0,s.ms));
}
function leave(out,t){rec(t,4,p.n,out,Math.max(0,elapsed(t)),p.ms);}
function end(why,src,out,t){
 era++;leave(out,t);p.n=255;p.st=IDLE;
 rec(t,13,255,why|src<<8,t-p.t0);
 S.erase(RUN);Bangle.setHRMPower(0,"tenuto");
}
function start(src,t){
 if(!P)return 1;
 if(!(p.st==ARMED&&t>=p.due)&&!begins(0,t,t,rest()))return 18;
 var at=p.st==ARMED?Math.min(t,p.due):t;
 era++;p.t0=t;p.n=255;p.back=p.app=p.res=0;
 p.sess=rec(t,2,255,src,new DataView(V.buffer,0).getUint32(0,1),new DataView(V.buffer,0).getUint32(4,1));
 p.st=RUNNING;begin(0,at,t);Bangle.setHRMPower(1,"tenuto");
 id.sess=p.sess;keep();
 return 0;
}
function pause(src,t){
 p.stop=t-p.anc;p.pau=t;quiet(t);
 rec(t,6,p.n,src,Math.max(0,p.stop));
 cueNow(8,t);p.st=PAUSED;
}
function unpause(src,t){p.anc=t-p.stop;p.res=t;rec(t,7,p.n,src,t-p.pau);}
function holdBefore(n){while(--n>=0)if(step(n).kind==1)return n;return -1;}
// 0: step n is no phase, 1: it is one, 2: one of the same repetition as the step before.
function follows(n){
 var o=16+n*20,b=o-20,i;
 if(V.getUint8(o)!=1||V.getUint8(o+2)<4)return 0;
 if(!n||V.getUint8(b)!=1||(V.getUint8(o+2)^V.getUint8(b+2))&3)return 1;
 for(i=1;i<6;i++)if(i!=2&&V.getUint8(o+i)!=V.getUint8(b+i))return 1;
 return 2;
}
function firstPhase(n){while(n>0&&follows(n)>1)n--;return n;}
// What a command, a gesture or the time brings about: 0, or why it is refused.
function choose(i){
 if(p.st||i<0)return;
 id.cur=i;keep();era++;open();
}
function input(c,arg,src,t){
 var n,q;
 if(p.st<=ARMED){
  if(c==0)return start(src,t);
  if(c==7){
   if(!P)return 1;
   if(arg<=t)return 9;
   if(arg-t>86400000)return 8;
   q=step(0);n=arg-(q.cues?Math.max(0,LEAD-cueAt(q,0,q.ms)):0);
   if(!begins(0,Math.max(n,t),t,rest()))return 18;
   p.due=n;p.st=ARMED;era++;return 0;
  }
  if(c==5&&p.st==ARMED){era++;p.st=IDLE;quiet(t);S.erase(RUN);return 0;}
  return 3;
 }
 switch(c){
 case 0:case 7:return 4;
 case 1:if(p.st==PAUSED)return 5;pause(src,t);return 0;
 case 2:if(p.st!=PAUSED)return 6;
  if(p.back&&!goesOn(t,rest()))return 18;
  p.back=0;unpause(src,t);cueNow(1,t);p.st=RUNNING;return 0;
 case 3:case 4:
  if(c==3){
   n=p.n+1;
   if(n==P.n)return 8;
   if(follows(p.n))while(follows(n))n++;
  }else{
   n=firstPhase(p.n);
   if(s.kind!=1||!(n<p.n||elapsed(t)>3000))n=firstPhase(holdBefore(n));
   n=holdBefore(n)+1;
  }
  if(!begins(n,t,t,0))return 18;
  if(p.st==PAUSED){unpause(src,t);p.st=RUNNING;}
  quiet(t);
  if(c==3)rec(t,8,p.n,src);else rec(t,9,p.n,src,n);
  leave(c-2,t);begin(n,t,t);p.st=RUNNING;return 0;
 case 5:if(arg>2)return 8;quiet(t);end(arg||1,src,3,t);return 0;
 case 6:if(p.st==WAITING||s.kind!=1)return 7;
  if(arg<1||arg>600000||p.ms+arg>3600000)return 8;
  p.ms+=arg;p.early=0;rec(t,10,p.n,src,arg,p.ms);return 0;
 }
 return 12;
}
function go(at,t){leave(0,t);begin(p.n+1,at,t);p.st=RUNNING;}
function fire(t){
 var n=p.n,late=t-p.due,c;
 if(pend==1){n++;c=cueOf(ahead,p.early++);}else c=cueOf(s,p.cue++);
 play(pattern(c),t);
 if(felt)rec(t,5,n,c,late,LEAD);else rec(t,16,n,c,minute(t));
}
// Do what is due.
function run(t){
 while(p.st!=IDLE&&t>=p.due){
  if(p.st==ARMED)start(0,t);
  else if(p.st==PAUSED){quiet(t);end(1,0,3,t);}
  else if(p.st==WAITING){
   if(s.pace&&!p.pos||s.lim&&bpm>=s.lim){quiet(t);end(1,0,3,t);}
   else go(Math.min(t,p.due),t);
  }
  else if(pend<2)fire(t);
  else if(p.n+1==P.n)end(0,0,0,t);
  else if(waits(t)){
   rec(t,11,p.n,waits(t),Math.max(0,p.anc+s.wait-t));
   if(s.lim&&bpm>=s.lim)cueNow(8,t);
   p.st=WAITING;
  }
  else if(p.anc+p.ms<p.res)go(Math.min(t,p.due),t);
  else{leave(0,t);enter(p.n+1,p.anc+p.ms,t);}
  arm();
 }
 look();
}
var noted;
function tick(){
 var t=now(),d=1e9;
 if(tm)clearTimeout(tm);
 tm=undefined;
 run(t);buzz(t);
 if(noted!=p.st+"/"+p.n+"/"+p.ms){noted=p.st+"/"+p.n+"/"+p.ms;note();if(global.TENUTO.show)global.TENUTO.show();}
 if(pairing&&t>=pairing)shut([300,0],t);
 pump(t);
 if(p.st)d=p.due-t;
 if(bdue!==undefined)d=Math.min(d,bdue-t);
 if(on)ends.forEach(function(e){d=Math.min(d,e+1-t);});
 if(pairing)d=Math.min(d,pairing-t);
 if(resend)d=Math.min(d,resend-t);
 // In a clock the button opens the launcher besides: the session's own screen comes between two cues.
 if(p.st==RUNNING&&d>2500&&!p.app&&!global.TENUTO.show&&S.read("tenuto.app.js",0,1)){p.app=1;load("tenuto.app.js");return;}
 if(d<1e9)tm=setTimeout(tick,Math.max(0,d));
}
function command(c,arg,src,t){run(t);return obey(c,arg,src,t);}
function obey(c,arg,src,t){
 var r=input(c,arg,src,t);
 if(!r)arm();
 run(t);
 return r;
}
function letGo(t){
 var ms=p.ms,c=p.cue;
 p.ms=Math.min(ms,Math.max(0,t-p.anc)+LEAD);
 while(p.cue<s.cues&&V.getUint8(s.cue+p.cue*5+4)<128)p.cue++;
 if(!goesOn(t,rest())){p.ms=ms;p.cue=c;}
 arm();run(t);
}
function inPosition(t){
 var k=rest();
 p.pos=1;arm();
 if(!waits(t)&&(p.st==WAITING||begins(p.n+1,t,t,k))){go(t,t);arm();}
 run(t);
 return 0;
}
function beat(b,rr,mark,t){
 var logged=con.on||t-told>=5000;
 run(t);
 if(logged)told=t;
 if(b<1||b>255)return;
 bpm=b;bat=t;
 if(logged&&p.st>=RUNNING)rec(t,12,p.n,b|mark,rr[0]|rr[1]<<16,rr[2]|rr[3]<<16);
 if(p.st==WAITING&&!waits(t)){go(t,t);arm();run(t);}
}

// --- the button: press, double press, long press; what it means is fixed when it goes down
var down=0,presses=0,bt,made,gap=-1e9;
function moment(){return [era,p.n,p.st==PAUSED?2:p.st>=RUNNING?(s.open?8:s.pace&&!p.pos?9:1):0];}
function gesture(g){
 var t=now(),m=moment(),c=[0,m[2],3,5][g],r;
 presses=0;bt=undefined;run(t);
 if(p.st<=ARMED&&!global.TENUTO.show)return;
 if(p.st==IDLE&&g>1){
  if(g==2)gap=t;else if(t-gap<2000){pairing=t+MINUTE;feel([400,200,150,200,400,0],258,t);}
 }else{
  m=moment();
  r=g==3||m[0]==made[0]&&(g==2?m[1]==made[1]:made[2]==1?m[2]==1||m[2]>7:m[2]==made[2]&&m[1]==made[1]);
  if(r){
   if(g==1)c=made[2];
   if(c==9)inPosition(t);else if(c==8)letGo(t);else obey(c,0,1,t);
  }
 }
 tick();
}
function edge(d){
 if(d==down)return;
 down=d;
 if(bt)clearTimeout(bt);
 bt=undefined;
 if(d){
  if(!presses++)made=moment();
  bt=setTimeout(function(){gesture(3);},800);
 }else if(presses>1)gesture(2);
 else if(presses)bt=setTimeout(function(){gesture(1);},350);
}

// --- keys and the challenge, as auth.py has them
var sha=require("crypto").SHA256,pairing;
function hmac(k,m){
 var i=new Uint8Array(64).fill(54),o=new Uint8Array(64).fill(92),n;
 for(n=0;n<16;n++){i[n]^=k.charCodeAt(n);o[n]^=k.charCodeAt(n);}
 return E.toString(sha(E.toString(o)+E.toString(sha(E.toString(i)+m))));
}
function keyId(k){return hmac(k,"tenuto key id").substr(0,8);}
function trusted(){return con.key&&id.keys.indexOf(con.key)>=0;}
function shut(q,t){pairing=undefined;if(p.st==IDLE)feel(q,258,t);}

// --- the protocol: PROTOCOL.md, a frame a line
var resend,SIZE={1:0,2:0,3:4,6:24,7:32,8:16,9:0,16:14,17:-2,18:8,19:10,20:1,32:17,33:-1,48:4,49:4};
function out(f){Bluetooth.println("~"+btoa(f));}
function pump(t){
 if(resend&&t>=resend){con.sent=con.ack;resend=undefined;}
 if(!con.on)return;
 if(con.sent<first())con.sent=con.ack=first();
 while(con.sent<next&&con.sent-con.ack<64){
  var d=get(con.sent,Math.min(5,64-con.sent+con.ack));
  out("\xb2\0"+b4(con.sent)+d);con.sent+=d.length/16;
  if(!resend)resend=t+5000;
 }
}
function answer(op,f,v,t){
 var a=f.substr(2),x=function(o){return v.getUint32(2+o,1);},i,k,r;
 switch(op){
 case 1:
  i=0x8b9|(trusted()?0:0x100)|(pairing?0x200:0);
  return "\0\x01"+b4(id.boot)+b2(8192)+b1(90)+b2(H)+b2(i)+"Bangle.js";
 case 2:return "\0"+b1(p.st,p.n,E.getBattery())+(P?P.id:"\0\0\0\0\0\0\0\0")+b4(p.sess)+b4(t)+
  b4(Math.max(0,elapsed(t)))+b4(p.st>ARMED?p.ms:0)+b4(first())+b4(next);
 case 3:return "\0"+a+b4(t);
 case 6:
  con.k=undefined;con.n="";
  if((con.bad|0)<3){
   con.h=a.substr(8);
   for(i=0;i<4;i++)con.n+=b4(E.hwRand());
   id.keys.forEach(function(k){if(keyId(atob(k))==a.substr(0,8))con.k=k;});
  }
  return con.n?"\0"+con.n:"\x13"+b4(0)+b4(0)+b4(0)+b4(0);
 case 7:
  k=con.k;r=con.n;con.k=undefined;con.n="";
  if(r){
   i=hmac(atob(k||"AAAAAAAAAAAAAAAAAAAAAA=="),"tenuto host"+con.h+r);
   if(k&&i==a){con.key=k;return "\0"+hmac(atob(k),"tenuto band"+con.h+r);}
  }
  con.bad=(con.bad|0)+1;
  return "\x13"+E.toString(new Uint8Array(32));
 case 8:
  k=btoa(a);
  if(k!=con.key||!trusted()){
   if(!pairing)return "\x14\0\0\0\0\0\0\0\0";
   id.keys=id.keys.filter(function(x){return x!=con.key&&x!=k;}).concat(k).slice(-4);keep();
   con={key:k};shut([150,150,150,0],t);
  }
  return "\0"+keyId(a);
 case 9:
  k=NRF.getAddress().substr(0,17).split(":").map(function(x){return parseInt(x,16);});
  return "\0"+b1(k[5],k[4],k[3],k[2],k[1],k[0],0,0)+k.map(function(x){return ("0"+x.toString(16)).substr(-2);}).join("");
 case 16:
  i=v.getUint16(10,1);r=a.substr(0,8);
  if(find(r)>=0)return "\0"+b2(i);
  if(p.st)return "\x0a\0\0";
  if(!i||i>8192||r=="\0\0\0\0\0\0\0\0")return "\x08\0\0";
  if(!upl||upl.id!=r||upl.n!=i||upl.crc!=x(10)){
   upl=undefined;S.erase(UP);
   try{k=S.write(UP,r,0,i+8);}catch(e){k=0;}
   if(!k)return "\x08\0\0";
   upl={id:r,n:i,crc:x(10),got:0};
  }
  return "\0"+b2(upl.got);
 case 17:
  if(!upl)return "\x0e\0\0";
  i=v.getUint16(2,1);k=i+f.length-4;
  if(i>upl.got||k>upl.n)return "\x0f"+b2(upl.got);
  if(k>upl.got){S.write(UP,f.substr(4+upl.got-i),8+upl.got);upl.got=k;}
  return "\0"+b2(upl.got);
 case 18:
  i=find(a);
  if(i>=0&&P&&a==P.id)return "\0";
  if(i>=0){if(p.st)return "\x0a";choose(i);return "\0";}
  if(!upl||upl.id!=a)return "\x0e";
  if(upl.got!=upl.n)return "\x0f";
  if(p.st)return "\x0a";
  k=S.read(UP,8);r=E.CRC32(k)>>>0!=upl.crc?"\x0dchecksum is wrong":wrong(k);
  upl=undefined;
  if(!r){
   i=place();
   try{if(!S.write(file(i),S.read(UP)))r="\x0dthe watch has no room";}catch(e){r="\x0dthe watch has no room";}
   if(!r){id.order=id.order.filter(function(x){return x!=i;}).concat(i);choose(i);}
  }
  S.erase(UP);tidy();
  return r||"\0";
 case 19:
  k=find(a.substr(0,8));
  if(k<0)return "\x10\0\0\0\0";
  i=v.getUint16(10,1);r=S.read(file(k),8);
  if(i>r.length)return "\x0f"+b2(r.length)+"\0\0";
  return "\0"+b2(r.length)+b2(i)+r.substr(i,80);
 case 20:
  i=a.charCodeAt(0);r=i<4&&S.read(file(i));
  if(!r)return (i<4?"\x10":"\x08")+b1(4,i)+"\0\0\0\0\0\0\0\0\0\0";
  return "\0"+b1(4,i)+r.substr(0,8)+b2(r.length-8)+nameIn(r.substr(8));
 case 32:
  i=x(1);
  done.forEach(function(d){if(d[0]==i)r=d[1];});
  if(r===undefined){
   k=v.getUint32(15,1);
   if(a.charCodeAt(0)==7){k=(k-t)|0;k+=t;}
   if(a.charCodeAt(0)%7==0&&(!P||a.substr(5,8)!=P.id))choose(find(a.substr(5,8)));
   r=a.charCodeAt(0)>7?12:!P?1:a.substr(5,8)!=P.id?2:command(a.charCodeAt(0),k,2,t);
   if(r!=18){done.push([i,r]);if(done.length>16)done.shift();}
  }
  return b1(r,p.st)+b4(i);
 case 48:
  i=x(0);
  if(i>next)return "\x08"+b4(first())+b4(next);
  con.on=1;con.sent=con.ack=Math.max(i,first());resend=undefined;
  return (i<first()?"\x11":"\0")+b4(first())+b4(next);
 }
}
function frame(f){
 var op=f.charCodeAt(0),tag=f.charCodeAt(1)|0,v=new DataView(E.toUint8Array(f).buffer),n=SIZE[op],t=now(),i,a;
 if(n===undefined||(n<0?f.length<2-n:f.length!=2+n))a=n===undefined?12:11;
 else if(!trusted()&&[1,6,7,8,9].indexOf(op)<0)a=19;
 else if(op==49){
  i=v.getUint32(2,1);
  if(con.on&&i>con.ack&&i<=con.sent){con.ack=i;resend=i==con.sent?undefined:t+5000;}
 }else if(op==33){
  i=v.getUint8(2);a=[0,0,0,0];
  for(n=3;n+1<f.length&&n<11;n+=2)a[(n-3)/2]=v.getUint16(n,1);
  if(i){hostBeat=t;beat(i,a,256,t);}
  a=0;
 }else{out(b1(op|128,tag)+answer(op,f,v,t));a=0;}
 if(a)out(b1(255,tag,a,op));
 tick();
}
NRF.on("disconnect",function(){con={};resend=undefined;});
Bangle.on("HRM",function(h){
 var t=now();
 if(h.confidence>=60&&t-hostBeat>5000){beat(Math.round(h.bpm),[0,0,0,0],0,t);tick();}
});
setWatch(function(e){edge(e.state?1:0);},BTN1,{repeat:true,edge:"both",debounce:10});
E.on("kill",function(){quiet(now());if(!global.TENUTO.gone)note(1);});

// --- what the boot file and the screen need
global.TENUTO={
 moved:function(s){id.off+=s;keep();},
 hear:function(e){
  if(e.d)frame(atob(e.d));
  else if(trusted()&&p.st!=RUNNING){feel([100,100,100,100,100,100,100,100,100,0],256,now());tick();}
 },
 state:function(){
  var t=now(),o=16+p.n*20,r={st:p.st,plan:P&&(P.title=P.title||title()),bpm:t-bat<5000?bpm:0,left:0,open:!!pairing,host:!!trusted()},i;
  if(p.st>ARMED){
   r.kind=s.kind;i=V.getUint8(o+2);r.side=i&3;r.up=s.open;r.left=s.open?elapsed(t)-999:p.ms-elapsed(t);
   if(i>3)r.phase=name(V.getUint8(3)+(i>>2));
   if(V.getUint8(o+1)<255)r.name=name(1+V.getUint8(o+1));
  }
  return r;
 },
 next:function(d){
  for(var i=1;i<5;i++){
   var k=((id.cur|0)+d*i+16)%4;
   if(S.read(file(k),0,1)!==undefined){choose(k);return;}
  }
 },
 command:function(c){var r=command(c,0,1,now());tick();return r;}
};

// --- take up what load() or a reset cut
id.keys=id.keys||[];id.order=id.order||[];
open();
var t=now(),j=S.readJSON(RUN,1)||{},last,i;
function count(){
 next=id.at;
 var f=S.read(half(next));
 if(!f)return;
 for(var i=0;i<H&&f.charCodeAt(i*16+4)!=255;i++)next++;
 if(next==id.at)return;
 f=E.toUint8Array(get(next-1,1));
 last=t-((t-(f[0]|f[1]<<8|f[2]<<16|f[3]<<24))>>>0);
 return t>=0&&t-last<0x7fffffff;
}
if(id.boot===undefined||!count()){
 last=id.boot;
 id.boot=E.hwRand()>>>0;id.off=0;id.t0=Math.round(getTime()*1000);id.at=0;id.sess=-1;
 next=0;t=now();
 rec(t,1,255,1,id.boot);
 if(j.p&&j.p.st>ARMED)rec(t,14,j.p.n,0,last,j.p.sess);
 S.erase(RUN);
}else{
 p.sess=id.sess;
 done=j.d||done;
 if(j.b){bpm=j.b[0];bat=j.b[1];told=j.b[2];hostBeat=j.b[3];}
 if(j.l){lf=j.l[0];lc=j.l[1];lfe=j.l[2];le=j.l[3];lt=j.l[4];L.set(j.l.slice(5));}
 else if(j.m)book(j.m,t-j.m);
 i=NRF.getSecurityStatus();
 if(j.c&&i.connected&&i.connected_addr==j.a){con=j.c;con.sent=con.ack;}
 if(j.p&&P){
  p=j.p;
  if(p.st==ARMED){if(p.due<t-5000)p.st=IDLE;}
  else{
   s=step(p.n);
   if(p.st==RUNNING)while(p.cue<s.cues&&p.anc+cueAt(s,p.cue,p.ms)-LEAD<=last)p.cue++;
   arm();
   if(p.st!=PAUSED&&p.due<t-5000){
    p.stop=Math.min(p.ms,last-p.anc);p.pau=t;p.back=1;
    rec(t,6,p.n,3,Math.max(0,p.stop));p.st=PAUSED;cueNow(8,t);arm();
   }
   Bangle.setHRMPower(1,"tenuto");
  }
 }
}
j=undefined; // it has as much as all the rest
tidy();
tick();
})();
