// Tenuto's screen: the exercise, its side and the time that is left. The player is in player.js.
(function(){
require("tenuto");
var T=global.TENUTO;
function draw(){
 var s=T.state(),m=Math.max(0,Math.ceil(s.left/1000)),x=g.getWidth()/2,h=g.getHeight(),
  what=["press to start","starts soon","","press when ready","paused"][s.st];
 g.reset().clearRect(0,24,g.getWidth(),h);
 g.setFontAlign(0,0).setFont("Vector",22);
 if(s.st<2){
  g.drawString(s.plan||"no routine yet",x,h/2-10);
  if(s.plan||s.open)g.setFont("Vector",18).drawString(s.open?"lets a computer in":what,x,h/2+24);
  return;
 }
 g.wrapString(s.name||s.plan,g.getWidth()-8).slice(0,2).forEach((l,i)=>g.drawString(l,x,40+i*22));
 g.drawString(["","left","right"][s.side]+(s.phase?" "+s.phase:"")||["get ready","hold","switch","rest","done"][s.kind],x,88);
 g.setFont("Vector",48).drawString((m/60|0)+":"+("0"+m%60).substr(-2),x,126);
 g.setFont("Vector",18).drawString(what||(s.up?"press to end":s.bpm?s.bpm+" bpm":""),x,164);
}
Bangle.loadWidgets();
g.clear();
Bangle.drawWidgets();
// The button is the player's own: press, double press, long press.
Bangle.on("swipe",(lr,ud)=>{
 var st=T.state().st;
 if(lr<0)T.command(3);
 else if(lr>0)T.command(st<2?0:st==4?2:1);
 else if(st<2){T.next(ud);draw();}
 else if(ud>0)T.command(5);
});
T.show=draw;
draw();
setInterval(()=>{if(Bangle.isLCDOn())draw();},1000);
})();
